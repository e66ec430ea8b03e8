// Reads units into memory and makes sure that they are what was stored.

#ifndef SHOAL_MEMORY_UNIT_LOADER_H_
#define SHOAL_MEMORY_UNIT_LOADER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "memory/block_file.h"

namespace shoal::memory {

// One unit of a rank's share.
struct CacheEntry {
  uint32_t unit_index = 0;  // in the model's list of units
  uint64_t offset = 0;      // in the units file, of kStoreAlignment
  uint64_t bytes = 0;       // without padding; > 0
  uint32_t crc32c = 0;      // of these bytes
  bool resident = false;
  // Not part of every pass: read when it is asked for.
  bool routed = false;
};

// What a unit takes on disk and in memory.
inline uint64_t PaddedBytes(const CacheEntry& entry) {
  return base::AlignUp(entry.bytes, kStoreAlignment);
}

// Threads: thread-safe.
class UnitLoader {
 public:
  static constexpr int kReadAttempts = 3;

  struct Options {
    uint64_t read_bytes_max = 4 * base::kMiB;  // of one request
    bool verify_checksums = true;
    base::Clock* clock = nullptr;  // not null
    // Fetches a damaged unit anew and writes it to the file; called by one
    // thread at a time. May be null.
    std::function<absl::Status(uint32_t unit_index)> repair = nullptr;
  };

  // `file` and `entries` are borrowed.
  UnitLoader(Options options, BlockFile& file,
             std::span<const CacheEntry> entries);

  // Reads entries [first, first + statuses.size()), which lie behind each other
  // in the file, to `to`, padding included, and says for each how it went. The
  // first time that an entry is read its checksum is compared; a damaged unit
  // is repaired and read again. What fails with kUnavailable is read again,
  // each unit alone, and fails when that failed kReadAttempts times. Errors, in
  // statuses:
  //   kDataLoss     checksum mismatch and no repair; names file, unit, offset
  //   kUnavailable, kOutOfRange  as BlockFile::ReadAt()
  //   those of `repair`
  void Load(uint32_t first, std::byte* to, std::span<absl::Status> statuses);

  BlockFile& file() const { return file_; }
  // Its index in the model's list of units.
  uint32_t UnitOf(uint32_t entry) const { return entries_[entry].unit_index; }

  // Of completed requests.
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t read_count() const { return read_count_; }
  absl::Duration checksum_time() const {
    return absl::Nanoseconds(checksum_nanoseconds_.load());
  }

 private:
  absl::Status Read(uint64_t offset, std::span<std::byte> to);
  // Of one entry, read `attempts_before` times in vain with `failure`.
  absl::Status ReadAgain(const CacheEntry& entry, std::byte* to,
                         int attempts_before, absl::Status failure);
  absl::Status CheckOrRepair(uint32_t index, std::byte* data);
  absl::Status Repair(const CacheEntry& entry, std::span<std::byte> place)
      ABSL_LOCKS_EXCLUDED(repair_mutex_);
  bool ChecksumMatches(const CacheEntry& entry, const std::byte* data);

  const Options options_;
  BlockFile& file_;
  const std::span<const CacheEntry> entries_;
  const std::unique_ptr<std::atomic<bool>[]> verified_;  // [entry count]
  base::Mutex repair_mutex_;  // held during a call of `repair`
  std::atomic<uint64_t> bytes_read_ = 0;
  std::atomic<uint64_t> read_count_ = 0;
  std::atomic<int64_t> checksum_nanoseconds_ = 0;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_UNIT_LOADER_H_
