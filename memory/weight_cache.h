// A rank's weights: some stay in memory, the rest stream from disk.

#ifndef SHOAL_MEMORY_WEIGHT_CACHE_H_
#define SHOAL_MEMORY_WEIGHT_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/clock.h"
#include "memory/block_file.h"
#include "memory/routed_units.h"
#include "memory/slab.h"
#include "memory/stream_window.h"
#include "memory/unit_loader.h"

namespace shoal::memory {

// All counts start with Create().
struct CacheCounters {
  // Residents, read by Create() and ChangeResidents().
  uint64_t load_bytes = 0;
  uint64_t bytes_read = 0;  // streamed, padding included
  uint64_t read_count = 0;  // requests that streamed them
  // Of bytes_read, what Acquire() has handed out: without what is read ahead.
  uint64_t consumed_bytes = 0;
  absl::Duration stall;     // Acquire() waited for a unit
  absl::Duration checksum;  // of all threads
};

// The list of entries is the rank's share in execution order. A pass acquires
// and releases them from first to last. A cycle of passes reads every entry
// that is neither resident nor routed once: bytes_read grows by
// streamed_bytes() a pass, and by the routed entries that it asks for.
//
// Memory:  one slab for the residents, one of window_bytes for the rest, one of
//          twice the largest routed entry that is not resident; none
//          after Create() but by ChangeResidents(). With everything resident
//          there is no window, no reader thread and no copy.
// Threads: thread-compatible: the calls of one compute thread; counters() from
//          any, but not during ChangeResidents(). Owns the reader threads and
//          joins them.
// Failure: a failed read fails one Acquire(); the next reads again.
class WeightCache {
 public:
  struct Options {
    uint64_t window_bytes = 0;  // at least the largest streamed unit, padded
    uint64_t read_bytes_max = 4 * base::kMiB;  // of one request
    uint32_t reads_in_flight = 2;              // > 0
    // Residents may become that many; 0: no more than Create() loads.
    uint64_t resident_bytes_max = 0;
    bool verify_checksums = true;  // when a unit is read for the first time
    base::Clock* clock = nullptr;  // borrowed; null: the system's
    // Fetches a damaged unit anew and writes it to the store; called from
    // Create() and from reader threads, by one at a time. The destructor waits
    // for it. Null: damage is an error.
    std::function<absl::Status(uint32_t unit_index)> repair = nullptr;
  };

  // Loads the residents and starts to read ahead. `file` is borrowed.
  // REQUIRES: entry offsets are multiples of kStoreAlignment; bytes > 0.
  // Errors:
  //   kInvalidArgument    window_bytes is below the largest streamed unit;
  //                       names the minimum
  //   kResourceExhausted  no memory for residents or window
  //   kDataLoss           a resident's checksum; names file, unit and offset
  //   kUnavailable, kOutOfRange  as BlockFile::ReadAt()
  static absl::StatusOr<std::unique_ptr<WeightCache>> Create(
      Options options, BlockFile& file, std::vector<CacheEntry> entries);
  ~WeightCache();
  WeightCache(const WeightCache&) = delete;
  WeightCache& operator=(const WeightCache&) = delete;

  uint32_t entry_count() const {
    return static_cast<uint32_t>(entries_.size());
  }

  // Pins entries [first, first + n) and puts their bytes in data[0..n): waits
  // for the first, then takes those behind it that are in memory already, at
  // most `count_max`, none beyond the last entry. The bytes stay until
  // Release(). Streamed entries come in order: each is acquired or skipped once
  // a pass, after the last comes the first again.
  // REQUIRES: first < entry_count(); 0 < count_max <= data.size().
  // Errors, after which nothing is pinned that was not before, and the next
  // call may be for the same entry:
  //   kDeadlineExceeded   the first was not in memory by `deadline`
  //   kResourceExhausted  what is pinned leaves no room: release first
  //   kDataLoss           checksum mismatch, not repaired; names file, unit
  //   kUnavailable, kOutOfRange  the read failed
  absl::StatusOr<uint32_t> Acquire(uint32_t first, uint32_t count_max,
                                   std::span<const std::byte*> data,
                                   absl::Time deadline);

  // Gives entries back, in the order in which they were acquired; the reader
  // may use their memory at once.
  void Release(uint32_t first, uint32_t count);

  // Routed entries, in the order in which AcquireRouted() will ask for them;
  // may hold residents. Ends the request before.
  void RequestRouted(std::span<const uint32_t> entries);
  // The bytes of the next of them, which stay until the next call of either.
  // Errors: as Acquire()
  absl::StatusOr<const std::byte*> AcquireRouted(uint32_t entry,
                                                 absl::Time deadline);

  // Passes over entries that this pass does not use. If the reader has not
  // come to them yet, they are not read.
  void Skip(uint32_t first, uint32_t count);

  // Ends a pass before its last entry: gives back what is pinned; the next
  // pass starts at entry 0.
  void Restart();

  // Between passes: entries with resident[i] are in memory from now on, the
  // others stream through a window of `window_bytes`. Memory is given back
  // before any is taken. What was read ahead is read again, once. An entry that
  // should come but cannot be read, or has no room, goes on streaming.
  // REQUIRES: nothing is pinned; the next entry is the first.
  // Errors, after which the cache is dead:
  //   kInvalidArgument    window_bytes is below the largest streamed unit
  //   kResourceExhausted  no memory for the window
  absl::Status ChangeResidents(const std::vector<bool>& resident,
                               uint64_t window_bytes);

  CacheCounters counters() const;

  bool is_resident(uint32_t entry) const {
    return resident_data_[entry] != nullptr;
  }
  // Padding included.
  uint64_t resident_bytes() const { return resident_bytes_; }
  // Without routed entries.
  uint64_t streamed_bytes() const { return streamed_bytes_; }

 private:
  WeightCache(Options options, BlockFile& file,
              std::vector<CacheEntry> entries);

  // Appends entries that are not resident yet to residents_, which has room.
  absl::Status LoadResidents(const std::vector<bool>& wanted);
  // Moves residents that stay to the front, and gives back what is behind them.
  void DropResidents(const std::vector<bool>& keep);
  // What streams, as entries_ and resident_data_ say.
  absl::Status StartStreams(uint64_t window_bytes);

  const Options options_;  // clock is set
  const std::vector<CacheEntry> entries_;
  UnitLoader loader_;
  Slab residents_;  // one after the other, without gaps
  uint64_t resident_bytes_ = 0;
  std::vector<const std::byte*>
      resident_data_;  // [entry_count]; null: streamed
  uint64_t streamed_bytes_ = 0;
  uint64_t load_bytes_ = 0;
  uint64_t load_read_count_ = 0;  // requests of load_bytes_
  std::atomic<uint64_t> consumed_bytes_ = 0;
  absl::Duration stall_before_;           // of windows that are gone
  std::unique_ptr<StreamWindow> window_;  // null: everything is resident
  std::unique_ptr<RoutedUnits> routed_;   // null: likewise
  std::vector<uint32_t> requested_;       // those to be read
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_WEIGHT_CACHE_H_
