#include "memory/uring_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "memory/posix_read.h"
#include "memory/slab.h"
#include "memory/uring_ring.h"

namespace shoal::memory {
namespace {

class UringFile final : public BlockFile {
 public:
  UringFile(int fd, std::string path, bool direct)
      : fd_(fd), path_(std::move(path)), direct_(direct) {}
  ~UringFile() override {
    idle_.clear();
    close(fd_);
  }

  // With a read, to see that it works. Errors: kUnimplemented
  absl::Status AddFirstRing() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override;
  uint64_t alignment() const override { return direct_ ? kStoreAlignment : 1; }
  absl::string_view engine() const override;
  absl::string_view path() const override { return path_; }
  void Register(std::span<std::byte> memory) override;
  void Unregister(std::span<std::byte> memory) override;

 private:
  absl::StatusOr<std::unique_ptr<UringRing>> NewRing()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::unique_ptr<UringRing> TakeRing() ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveRing(std::unique_ptr<UringRing> ring) ABSL_LOCKS_EXCLUDED(mutex_);
  void RegisterAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const std::string path_;
  const bool direct_;
  mutable base::Mutex mutex_;
  base::CondVar ring_is_idle_;
  std::vector<std::unique_ptr<UringRing>> idle_ ABSL_GUARDED_BY(mutex_);
  uint32_t ring_count_ ABSL_GUARDED_BY(mutex_) = 0;  // idle and in use
  std::vector<std::span<std::byte>> buffers_ ABSL_GUARDED_BY(mutex_);
  bool all_registered_ ABSL_GUARDED_BY(mutex_) = true;
};

absl::Status UringFile::AddFirstRing() {
  SHOAL_ASSIGN_OR_RETURN(const Slab block, Slab::Create(kStoreAlignment));
  base::MutexLock lock(mutex_);
  SHOAL_ASSIGN_OR_RETURN(auto ring, NewRing());
  UringRing::Part part = {.to = block.span()};
  if (!ring->Read(fd_, std::span(&part, 1)) || part.result < 0) {
    return absl::UnimplementedError(
        absl::StrCat("the system refuses to read ", path_,
                     " through io_uring: ", std::strerror(-part.result)));
  }
  idle_.reserve(kUringCallersMax);  // later reads take nothing from the heap
  idle_.push_back(std::move(ring));
  ring_count_ = 1;
  return absl::OkStatus();
}

absl::string_view UringFile::engine() const {
  if (!direct_) return "io_uring, buffered";
  base::MutexLock lock(mutex_);
  return buffers_.empty() || !all_registered_ ? "io_uring"
                                              : "io_uring, registered buffers";
}

absl::StatusOr<std::unique_ptr<UringRing>> UringFile::NewRing() {
  SHOAL_ASSIGN_OR_RETURN(auto ring, UringRing::Create(kUringDepth));
  all_registered_ = ring->Register(buffers_) && all_registered_;
  return ring;
}

// Null if there is none and will be none: the last one broke.
std::unique_ptr<UringRing> UringFile::TakeRing() {
  base::MutexLock lock(mutex_);
  if (idle_.empty() && ring_count_ > 0 && ring_count_ < kUringCallersMax) {
    if (auto ring = NewRing(); ring.ok()) {
      ++ring_count_;
      return *std::move(ring);
    }
  }
  while (idle_.empty()) {
    if (ring_count_ == 0) return nullptr;
    ring_is_idle_.Wait(mutex_);
  }
  auto ring = std::move(idle_.back());
  idle_.pop_back();
  return ring;
}

void UringFile::GiveRing(std::unique_ptr<UringRing> ring) {
  base::MutexLock lock(mutex_);
  if (ring == nullptr) {
    --ring_count_;
  } else {
    idle_.push_back(std::move(ring));
  }
  ring_is_idle_.NotifyAll();
}

absl::Status UringFile::ReadAt(uint64_t offset, std::span<std::byte> to) {
  CheckAligned(path_, alignment(), offset, to);
  std::unique_ptr<UringRing> ring = TakeRing();
  if (ring == nullptr) {
    return PreadFully(fd_, path_, alignment(), offset, to);
  }
  std::array<UringRing::Part, kUringDepth> parts;
  absl::Status status;
  while (!to.empty() && status.ok() && ring != nullptr) {
    size_t count = 0;
    while (!to.empty() && count < kUringDepth) {
      const uint64_t bytes = std::min<uint64_t>(to.size(), kUringPartBytes);
      parts[count++] = {.offset = offset, .to = to.first(bytes)};
      offset += bytes;
      to = to.subspan(bytes);
    }
    const std::span<UringRing::Part> batch(parts.data(), count);
    if (!ring->Read(fd_, batch)) ring = nullptr;
    for (const UringRing::Part& part : batch) {
      if (part.result == static_cast<int>(part.to.size())) continue;
      // Short, interrupted or failed: the plain way goes on after the first
      // and the second, and has the words for the third.
      status.Update(PreadFully(fd_, path_, alignment(), part.offset, part.to));
    }
  }
  GiveRing(std::move(ring));
  if (!status.ok() || to.empty()) return status;
  return PreadFully(fd_, path_, alignment(), offset, to);
}

void UringFile::Register(std::span<std::byte> memory) {
  base::MutexLock lock(mutex_);
  buffers_.push_back(memory);
  RegisterAgain();
}

void UringFile::Unregister(std::span<std::byte> memory) {
  base::MutexLock lock(mutex_);
  std::erase_if(buffers_, [memory](std::span<std::byte> buffer) {
    return buffer.data() == memory.data();
  });
  RegisterAgain();
}

void UringFile::RegisterAgain() {
  // A ring in use has requests to what it was told of.
  while (idle_.size() < ring_count_) ring_is_idle_.Wait(mutex_);
  all_registered_ = true;
  for (const auto& ring : idle_) {
    all_registered_ = ring->Register(buffers_) && all_registered_;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockFile>> OpenUring(int fd, std::string path,
                                                     bool direct) {
  auto file = std::make_unique<UringFile>(fd, std::move(path), direct);
  SHOAL_RETURN_IF_ERROR(file->AddFirstRing());
  return file;
}

}  // namespace shoal::memory
