#include "tests/testing/fake_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::testing {
namespace {

class HookedFile final : public memory::BlockFile {
 public:
  HookedFile(std::unique_ptr<memory::BlockFile> file, ReadHook hook)
      : file_(std::move(file)), hook_(std::move(hook)) {}

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override {
    SHOAL_RETURN_IF_ERROR(file_->ReadAt(offset, to));
    return hook_(offset, to);
  }
  void Register(std::span<std::byte> memory) override {
    file_->Register(memory);
  }
  void Unregister(std::span<std::byte> memory) override {
    file_->Unregister(memory);
  }
  uint64_t alignment() const override { return file_->alignment(); }
  absl::string_view engine() const override { return file_->engine(); }
  absl::string_view path() const override { return file_->path(); }

 private:
  const std::unique_ptr<memory::BlockFile> file_;
  const ReadHook hook_;
};

class LimitedFile final : public memory::WritableFile {
 public:
  LimitedFile(std::unique_ptr<memory::WritableFile> file,
              FaultyFileSystem& file_system)
      : file_(std::move(file)), file_system_(file_system) {}

  absl::Status WriteAt(uint64_t offset,
                       std::span<const std::byte> data) override {
    SHOAL_RETURN_IF_ERROR(file_system_.TakeRoom(data.size()));
    return file_->WriteAt(offset, data);
  }
  absl::Status Resize(uint64_t bytes) override { return file_->Resize(bytes); }
  bool PunchHole(uint64_t offset, uint64_t bytes) override {
    return file_->PunchHole(offset, bytes);
  }
  absl::Status Sync() override { return file_->Sync(); }

 private:
  const std::unique_ptr<memory::WritableFile> file_;
  FaultyFileSystem& file_system_;
};

}  // namespace

void DiskTime::Spend(uint64_t bytes) {
  absl::Duration wait;
  {
    base::MutexLock lock(mutex_);
    const absl::Time now = clock_.Now();
    busy_until_ = std::max(busy_until_, now) +
                  absl::Seconds(static_cast<double>(bytes) / bytes_per_second_);
    wait = busy_until_ - now;
  }
  clock_.SleepFor(wait);
}

absl::Status FakeFile::ReadAt(uint64_t offset, std::span<std::byte> to) {
  SHOAL_CHECK(offset % alignment() == 0 && to.size() % alignment() == 0 &&
              reinterpret_cast<uintptr_t>(to.data()) % alignment() == 0);
  SHOAL_RETURN_IF_ERROR(memory::ReadFully(
      path(), alignment(), offset, to,
      [this](uint64_t at,
             std::span<std::byte> part) -> absl::StatusOr<uint64_t> {
        if (at >= content_.size()) return 0;
        const uint64_t count = std::min<uint64_t>(
            {part.size(), content_.size() - at, short_read_bytes_});
        std::memcpy(part.data(), content_.data() + at, count);
        return count;
      }));
  if (hook_ != nullptr) SHOAL_RETURN_IF_ERROR(hook_(offset, to));
  base::MutexLock lock(mutex_);
  requests_.push_back({.offset = offset, .bytes = to.size()});
  return absl::OkStatus();
}

std::vector<ReadRequest> FakeFile::requests() const {
  base::MutexLock lock(mutex_);
  return requests_;
}

void FaultyFileSystem::set_free_bytes(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  free_bytes_ = bytes;
}

absl::StatusOr<std::unique_ptr<memory::BlockFile>>
FaultyFileSystem::OpenForReading(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<memory::BlockFile> file,
                         files_.OpenForReading(path));
  if (read_hook_ == nullptr) return file;
  return std::make_unique<HookedFile>(std::move(file), read_hook_);
}

absl::StatusOr<std::unique_ptr<memory::WritableFile>>
FaultyFileSystem::OpenForWriting(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<memory::WritableFile> file,
                         files_.OpenForWriting(path));
  return std::make_unique<LimitedFile>(std::move(file), *this);
}

absl::StatusOr<uint64_t> FaultyFileSystem::FreeBytes(const std::string&) {
  base::MutexLock lock(mutex_);
  return free_bytes_;
}

absl::Status FaultyFileSystem::TakeRoom(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  if (bytes > free_bytes_) {
    return absl::ResourceExhaustedError("no space left on device");
  }
  free_bytes_ -= bytes;
  return absl::OkStatus();
}

}  // namespace shoal::testing
