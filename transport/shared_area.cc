#include "transport/shared_area.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "security/random_bytes.h"

namespace shoal::transport {
namespace {

absl::Status SystemError(absl::string_view what) {
  return absl::UnavailableError(
      absl::StrCat("shared memory: ", what, ": ", std::strerror(errno)));
}

size_t Aligned(size_t bytes) {
  return (bytes + SharedArea::kAlignment - 1) / SharedArea::kAlignment *
         SharedArea::kAlignment;
}

// "/proc/12/fd/3": the peer names it, and nothing else shall be opened.
bool IsDescriptorPath(absl::string_view path) {
  const auto consume_number = [&path] {
    const size_t digits =
        std::min(path.find_first_not_of("0123456789"), path.size());
    path.remove_prefix(digits);
    return digits > 0;
  };
  return absl::ConsumePrefix(&path, "/proc/") && consume_number() &&
         absl::ConsumePrefix(&path, "/fd/") && consume_number() && path.empty();
}

}  // namespace

AreaMapping::~AreaMapping() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

absl::StatusOr<AreaMapping> AreaMapping::Map(int fd, size_t message_bytes) {
  const size_t bytes = kControlBytes + message_bytes;
  void* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return SystemError("cannot map it");
  AreaMapping mapping;
  mapping.data_ = static_cast<std::byte*>(data);
  mapping.bytes_ = bytes;
  return mapping;
}

absl::StatusOr<SharedArea> SharedArea::Create(size_t message_bytes) {
  SHOAL_CHECK(message_bytes > 0);
  UniqueFd fd(memfd_create("shoal-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return SystemError("cannot make it");
  message_bytes = Aligned(message_bytes);
  // Allocated at once: where memory is short, a page that is first touched
  // later would end the process.
  if (const int error = posix_fallocate(
          fd.get(), 0,
          static_cast<off_t>(AreaMapping::kControlBytes + message_bytes));
      error != 0) {
    errno = error;
    return SystemError("cannot make it long enough");
  }
  // Who attaches must not be killed by reading what is gone.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
      0) {
    return SystemError("cannot fix its length");
  }
  SHOAL_ASSIGN_OR_RETURN(AreaMapping mapping,
                         AreaMapping::Map(fd.get(), message_bytes));
  auto& control = *new (&mapping.control()) AreaMapping::Control{};
  std::array<uint8_t, std::tuple_size_v<AreaNonce>> random;
  security::FillRandom(random);
  std::memcpy(control.nonce.data(), random.data(), random.size());
  return SharedArea(std::move(fd), std::move(mapping));
}

std::string SharedArea::path() const {
  return absl::StrCat("/proc/", getpid(), "/fd/", fd_.get());
}

void SharedArea::TakeReleased() {
  const uint32_t released =
      mapping_.control().released.load(std::memory_order_acquire);
  const uint32_t count = released - released_;
  if (count > waiting_count_) {
    broken_ = true;
    SHOAL_LOG(kWarning, "shared memory: the peer gave back ", count,
              " messages of ", waiting_count_,
              "; it is used no more, large messages go over the socket");
    return;
  }
  released_ = released;
  oldest_ = (oldest_ + count) % kWaitingMax;
  waiting_count_ -= count;
}

SharedArea::Place SharedArea::Take(size_t bytes) {
  if (!broken_) TakeReleased();
  const size_t length = Aligned(bytes);
  if (broken_ || waiting_count_ == kWaitingMax || length > size()) return {};
  size_t begin = 0;
  if (waiting_count_ > 0) {
    const size_t used = waiting_[oldest_].begin;
    begin = waiting_[(oldest_ + waiting_count_ - 1) % kWaitingMax].end;
    // In front of what is used, behind it, or at the beginning again.
    if (begin <= used) {
      if (length > used - begin) return {};
    } else if (length > size() - begin) {
      if (length > used) return {};
      begin = 0;
    }
  }
  waiting_[(oldest_ + waiting_count_) % kWaitingMax] = {begin, begin + length};
  ++waiting_count_;
  return {begin, mapping_.messages().subspan(begin, bytes)};
}

void SharedArea::GiveBack() {
  SHOAL_CHECK(waiting_count_ > 0);
  --waiting_count_;
}

absl::StatusOr<AttachedArea> AttachedArea::Attach(const std::string& path,
                                                  const AreaNonce& nonce,
                                                  size_t message_bytes) {
  if (!IsDescriptorPath(path)) {
    return absl::UnavailableError(absl::StrCat(
        "shared memory: \"", path, "\" is no descriptor of a process"));
  }
  const UniqueFd fd(
      open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return SystemError(absl::StrCat("cannot open ", path));
  struct stat facts = {};
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (fstat(fd.get(), &facts) != 0 || seals < 0 ||
      (seals & F_SEAL_SHRINK) == 0 ||
      static_cast<uint64_t>(facts.st_size) !=
          AreaMapping::kControlBytes + uint64_t{message_bytes}) {
    return absl::UnavailableError(
        absl::StrCat("shared memory: ", path, " is not what the peer means"));
  }
  SHOAL_ASSIGN_OR_RETURN(AreaMapping mapping,
                         AreaMapping::Map(fd.get(), message_bytes));
  if (mapping.control().nonce != nonce) {
    return absl::UnavailableError(
        absl::StrCat("shared memory: ", path, " is not what the peer means"));
  }
  mapping.control().attached.store(1, std::memory_order_release);
  return AttachedArea(std::move(mapping));
}

std::span<std::byte> AttachedArea::At(uint64_t offset, uint64_t bytes) const {
  const std::span<std::byte> all = mapping_.messages();
  if (offset % SharedArea::kAlignment != 0 || offset > all.size() ||
      bytes > all.size() - offset) {
    return {};
  }
  return all.subspan(offset, bytes);
}

void AttachedArea::Release() {
  mapping_.control().released.fetch_add(1, std::memory_order_release);
}

}  // namespace shoal::transport
