// Slow, short and broken files in place of the disk's.

#ifndef SHOAL_TESTS_TESTING_FAKE_FILES_H_
#define SHOAL_TESTS_TESTING_FAKE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "memory/block_file.h"
#include "memory/file_system.h"

namespace shoal::testing {

// Takes bytes / bytes_per_second of the clock's time for a request, one request
// after another, as a disk does. Threads: thread-safe.
class DiskTime {
 public:
  DiskTime(base::Clock& clock, double bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second) {}

  void Spend(uint64_t bytes);

 private:
  base::Clock& clock_;
  const double bytes_per_second_;
  base::Mutex mutex_;
  absl::Time busy_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// What may go wrong with a read. Called for each request; may sleep, change the
// bytes read, or fail the request.
using ReadHook =
    std::function<absl::Status(uint64_t offset, std::span<std::byte> bytes)>;

struct ReadRequest {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// A file in memory. Threads: thread-safe, but for content().
class FakeFile final : public memory::BlockFile {
 public:
  explicit FakeFile(std::vector<std::byte> content)
      : content_(std::move(content)) {}

  // Before the first read.
  void set_hook(ReadHook hook) { hook_ = std::move(hook); }
  // A read gives at most so many bytes at once.
  void set_short_read_bytes(uint64_t bytes) { short_read_bytes_ = bytes; }

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override;
  uint64_t alignment() const override { return memory::kStoreAlignment; }
  absl::string_view engine() const override { return "fake"; }
  absl::string_view path() const override { return "fake.bin"; }

  // While nobody reads.
  std::vector<std::byte>& content() { return content_; }

  // The completed requests, in order.
  std::vector<ReadRequest> requests() const;

 private:
  std::vector<std::byte> content_;
  ReadHook hook_;
  uint64_t short_read_bytes_ = std::numeric_limits<uint64_t>::max();
  mutable base::Mutex mutex_;
  std::vector<ReadRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

// The system's files, with a hook for reads and a disk that may fill up.
// Borrow it to a store; it must outlive the files it opened.
class FaultyFileSystem final : public memory::FileSystem {
 public:
  explicit FaultyFileSystem(memory::IoEngine engine = memory::IoEngine::kAuto)
      : files_(memory::FileSystem::Real(engine)) {}

  void set_read_hook(ReadHook hook) { read_hook_ = std::move(hook); }
  // Bytes that may still be written before the disk is full.
  void set_free_bytes(uint64_t bytes);

  absl::StatusOr<std::unique_ptr<memory::BlockFile>> OpenForReading(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<memory::WritableFile>> OpenForWriting(
      const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;

  // Takes room for `bytes`. Errors: kResourceExhausted.
  absl::Status TakeRoom(uint64_t bytes);

 private:
  memory::FileSystem& files_;
  ReadHook read_hook_;
  base::Mutex mutex_;
  uint64_t free_bytes_ ABSL_GUARDED_BY(mutex_) =
      std::numeric_limits<uint64_t>::max();
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_FAKE_FILES_H_
