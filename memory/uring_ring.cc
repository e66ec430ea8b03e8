#include "memory/uring_ring.h"

#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace shoal::memory {
namespace {

// A system that is out of memory for a moment says so; one that says it more
// often will go on saying it.
constexpr int kSubmitTriesMax = 100;

// The first: the kernel need not interrupt a thread that computes in order to
// finish its requests. From 5.19 on.
constexpr unsigned kSetups[] = {IORING_SETUP_COOP_TASKRUN, 0};

}  // namespace

absl::StatusOr<std::unique_ptr<UringRing>> UringRing::Create(uint32_t depth) {
  std::unique_ptr<UringRing> ring(new UringRing);
  int error = 0;
  for (const unsigned setup : kSetups) {
    error = io_uring_queue_init(depth, &ring->ring_, setup);
    if (error == 0) return ring;
    ring->ring_ = {};
  }
  // Otherwise the destructor would give back what is not there.
  ring->ring_.ring_fd = -1;
  return absl::UnimplementedError(
      absl::StrCat("the system refuses io_uring: ", std::strerror(-error)));
}

UringRing::~UringRing() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

bool UringRing::Register(std::span<const std::span<std::byte>> buffers) {
  if (!buffers_.empty()) io_uring_unregister_buffers(&ring_);
  buffers_.clear();
  if (buffers.empty()) return true;
  std::vector<iovec> vectors;
  for (const std::span<std::byte> buffer : buffers) {
    vectors.push_back({.iov_base = buffer.data(), .iov_len = buffer.size()});
  }
  if (io_uring_register_buffers(&ring_, vectors.data(),
                                static_cast<unsigned>(vectors.size())) != 0) {
    return false;
  }
  buffers_.assign(buffers.begin(), buffers.end());
  return true;
}

void UringRing::Prepare(int fd, Part& part) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  SHOAL_CHECK(entry != nullptr, "more parts than the ring has entries");
  const auto bytes = static_cast<unsigned>(part.to.size());
  int index = 0;
  for (const std::span<std::byte> buffer : buffers_) {
    if (part.to.data() >= buffer.data() &&
        part.to.data() + bytes <= buffer.data() + buffer.size()) {
      io_uring_prep_read_fixed(entry, fd, part.to.data(), bytes, part.offset,
                               index);
      io_uring_sqe_set_data(entry, &part);
      return;
    }
    ++index;
  }
  io_uring_prep_read(entry, fd, part.to.data(), bytes, part.offset);
  io_uring_sqe_set_data(entry, &part);
}

uint32_t UringRing::Reap() {
  uint32_t count = 0;
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0) {
    static_cast<Part*>(io_uring_cqe_get_data(entry))->result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    ++count;
  }
  return count;
}

bool UringRing::Read(int fd, std::span<Part> parts) {
  for (Part& part : parts) {
    part.result = -ECANCELED;
    Prepare(fd, part);
    // Each by itself: of neighbours that it gets together the kernel makes one
    // large request, and a disk that works on several at once has one then. The
    // last goes with the wait, and so does one that is refused here.
    if (&part != &parts.back()) io_uring_submit(&ring_);
  }
  const auto count = static_cast<uint32_t>(parts.size());
  uint32_t done = 0;
  int tries = 0;
  while (done < count) {
    // One wake-up for all of them.
    const int error = io_uring_submit_and_wait(&ring_, count - done);
    done += Reap();
    if (error >= 0 || error == -EINTR) continue;
    if ((error == -EAGAIN || error == -EBUSY) && ++tries < kSubmitTriesMax) {
      continue;
    }
    // What the kernel has taken writes to our memory until it is done.
    const uint32_t taken = count - io_uring_sq_ready(&ring_);
    while (done < taken) {
      io_uring_cqe* entry = nullptr;
      const int waited = io_uring_wait_cqe(&ring_, &entry);
      SHOAL_CHECK(waited == 0 || waited == -EINTR || waited == -EAGAIN,
                  "io_uring lost reads: ", std::strerror(-waited));
      done += Reap();
    }
    return false;
  }
  return true;
}

}  // namespace shoal::memory
