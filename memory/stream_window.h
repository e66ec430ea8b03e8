// Streams a cyclic list of units through a bounded ring of memory.

#ifndef SHOAL_MEMORY_STREAM_WINDOW_H_
#define SHOAL_MEMORY_STREAM_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "memory/slab.h"
#include "memory/unit_loader.h"
#include "memory/window_ring.h"

namespace shoal::memory {

// Reader threads fetch the streamed entries in their fixed cyclic order, as
// far ahead as the ring has room, over the end of a pass into the next. The
// compute side takes units from the front and gives them back in order.
//
// Memory:  one slab, and the slots of the units in it; none after Create().
// Threads: all calls but stall_time() belong to one thread. Owns
//          `reads_in_flight` reader threads, which the destructor joins.
// Failure: a failed read fails one Take(); the next reads again.
class StreamWindow {
 public:
  struct Options {
    uint64_t window_bytes = 0;
    uint64_t read_bytes_max = 4 * base::kMiB;
    uint32_t reads_in_flight = 2;
    base::Clock* clock = nullptr;  // not null
  };

  // `loader` and `entries` are borrowed; `streamed` are the indices into
  // `entries` to stream, ascending, at least one.
  // Errors:
  //   kInvalidArgument    the largest unit does not fit in window_bytes
  //   kResourceExhausted  no memory for the window
  static absl::StatusOr<std::unique_ptr<StreamWindow>> Create(
      Options options, UnitLoader& loader, std::span<const CacheEntry> entries,
      std::vector<uint32_t> streamed);
  ~StreamWindow();
  StreamWindow(const StreamWindow&) = delete;
  StreamWindow& operator=(const StreamWindow&) = delete;

  // Pins the next unit in order, which must be entry `index`, and returns its
  // bytes; they stay until its Release(). Waits for it until `deadline`.
  // Errors, after which the next call is for the same unit again:
  //   kDeadlineExceeded   not in memory by then
  //   kResourceExhausted  the units that are pinned leave no room for it
  //   else why its read failed
  absl::StatusOr<const std::byte*> Take(uint32_t index, absl::Time deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Take() without waiting: null if the unit is not there or failed.
  const std::byte* TakeIfReady(uint32_t index) ABSL_LOCKS_EXCLUDED(mutex_);

  // Gives the oldest pinned unit, which must be entry `index`, back.
  void Release(uint32_t index) ABSL_LOCKS_EXCLUDED(mutex_);

  // Passes over the next unit in order, which must be entry `index`.
  void Skip(uint32_t index) ABSL_LOCKS_EXCLUDED(mutex_);

  // Gives back all that is pinned and passes over what is left of this cycle.
  // What was read ahead for the next cycle stays.
  void Restart() ABSL_LOCKS_EXCLUDED(mutex_);

  // Time that Take() spent waiting.
  absl::Duration stall_time() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class SlotState { kReading, kReady, kFailed, kRetry };

  // A unit that has room in the ring. Slots form a queue: pinned or passed
  // over, then read, then being read.
  struct Slot {
    uint32_t stream_position = 0;  // index into streamed_
    uint64_t ring_offset = 0;
    SlotState state = SlotState::kReading;
    bool done = false;  // the compute side needs it no more
    absl::Status status;
  };

  // A run of units for one request.
  struct Batch {
    uint64_t first_slot = 0;
    uint32_t first_entry = 0;  // index into entries_; the rest follow it
    uint32_t count = 0;
    uint64_t ring_offset = 0;
  };

  StreamWindow(Options options, UnitLoader& loader,
               std::span<const CacheEntry> entries,
               std::vector<uint32_t> streamed, Slab slab);

  void ReadLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  bool NextBatch(Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NextRetry(Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishBatch(const Batch& batch, std::span<absl::Status> statuses)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const std::byte* Pin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool PinsLeaveNoRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SkipLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AdvanceDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckNext(uint32_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const CacheEntry& EntryAt(uint32_t stream_position) const;
  Slot& SlotAt(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Slot& SlotAt(uint64_t number) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t Following(uint32_t stream_position) const;

  const Options options_;
  const uint64_t batch_bytes_max_;
  UnitLoader& loader_;
  const std::span<const CacheEntry> entries_;
  const std::vector<uint32_t> streamed_;
  const Slab slab_;

  mutable base::Mutex mutex_;
  base::CondVar room_;   // readers wait for room, a retry, or the end
  base::CondVar ready_;  // the compute side waits for a unit
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  WindowRing ring_ ABSL_GUARDED_BY(mutex_);
  // Slot number n lies at slots_[n % slots_.size()].
  // oldest_ <= oldest_pinned_ <= next_taken_ <= next_reserved_.
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  uint64_t oldest_ ABSL_GUARDED_BY(mutex_) = 0;         // not yet free
  uint64_t oldest_pinned_ ABSL_GUARDED_BY(mutex_) = 0;  // not yet given back
  uint64_t next_taken_ ABSL_GUARDED_BY(mutex_) = 0;     // by the compute side
  uint64_t next_reserved_ ABSL_GUARDED_BY(mutex_) = 0;  // by a reader
  uint32_t retry_count_ ABSL_GUARDED_BY(mutex_) = 0;    // slots in kRetry
  // Positions in streamed_ that the two sides come to next.
  uint32_t take_position_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t read_position_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration stall_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::thread> readers_;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_STREAM_WINDOW_H_
