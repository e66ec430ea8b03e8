#include "memory/stream_window.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::memory {
namespace {

// One request must leave room in the ring for those in flight, for the unit
// that is computed, and for the end of the ring that a unit may not fit in.
uint64_t BatchBytesMax(const StreamWindow::Options& options) {
  return std::min<uint64_t>(
      options.read_bytes_max,
      options.window_bytes / (uint64_t{options.reads_in_flight} + 2));
}

}  // namespace

absl::StatusOr<std::unique_ptr<StreamWindow>> StreamWindow::Create(
    Options options, UnitLoader& loader, std::span<const CacheEntry> entries,
    std::vector<uint32_t> streamed) {
  SHOAL_CHECK(!streamed.empty() && options.reads_in_flight > 0 &&
              options.clock != nullptr);
  options.window_bytes =
      options.window_bytes / kStoreAlignment * kStoreAlignment;
  for (const uint32_t index : streamed) {
    if (PaddedBytes(entries[index]) <= options.window_bytes) continue;
    uint64_t largest = 0;
    for (const uint32_t i : streamed) {
      largest = std::max(largest, PaddedBytes(entries[i]));
    }
    return absl::InvalidArgumentError(
        absl::StrCat("the window of ", options.window_bytes,
                     " bytes is smaller than the largest unit: at least ",
                     largest, " bytes are needed"));
  }
  SHOAL_ASSIGN_OR_RETURN(Slab slab, Slab::Create(options.window_bytes));
  std::unique_ptr<StreamWindow> window(new StreamWindow(
      options, loader, entries, std::move(streamed), std::move(slab)));
  for (uint32_t i = 0; i < options.reads_in_flight; ++i) {
    window->readers_.emplace_back([w = window.get()] { w->ReadLoop(); });
  }
  return window;
}

StreamWindow::StreamWindow(Options options, UnitLoader& loader,
                           std::span<const CacheEntry> entries,
                           std::vector<uint32_t> streamed, Slab slab)
    : options_(options),
      batch_bytes_max_(BatchBytesMax(options)),
      loader_(loader),
      entries_(entries),
      streamed_(std::move(streamed)),
      slab_(std::move(slab)),
      ring_(options.window_bytes),
      // Two cycles, so that even a single unit can be read ahead.
      slots_(2 * streamed_.size()) {
  loader_.file().Register(slab_.span());
}

StreamWindow::~StreamWindow() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  options_.clock->NotifyAll(room_);
  for (std::thread& reader : readers_) reader.join();
  loader_.file().Unregister(slab_.span());
}

absl::StatusOr<const std::byte*> StreamWindow::Take(uint32_t index,
                                                    absl::Time deadline) {
  base::MutexLock lock(mutex_);
  CheckNext(index);
  absl::Time waiting_since = absl::InfiniteFuture();
  absl::Status failure;
  while (true) {
    if (next_taken_ < next_reserved_) {
      Slot& slot = SlotAt(next_taken_);
      if (slot.state == SlotState::kReady) break;
      if (slot.state == SlotState::kFailed) {
        failure = std::move(slot.status);
        slot.state = SlotState::kRetry;
        ++retry_count_;
        options_.clock->NotifyAll(room_);
        break;
      }
    } else if (PinsLeaveNoRoom()) {
      failure = absl::ResourceExhaustedError(absl::StrCat(
          "the units in use leave no room in the window of ", ring_.capacity(),
          " bytes for unit ", entries_[index].unit_index, " of ",
          entries_[index].bytes, " bytes"));
      break;
    }
    const absl::Time now = options_.clock->Now();
    waiting_since = std::min(waiting_since, now);
    if (now >= deadline) {
      failure = absl::DeadlineExceededError(absl::StrCat(
          "the disk did not answer: unit ", entries_[index].unit_index, " of ",
          loader_.file().path(), " was not read within ",
          absl::FormatDuration(now - waiting_since)));
      break;
    }
    options_.clock->WaitUntil(ready_, mutex_, deadline);
  }
  if (waiting_since != absl::InfiniteFuture()) {
    stall_ += options_.clock->Now() - waiting_since;
  }
  if (!failure.ok()) return failure;
  return Pin();
}

const std::byte* StreamWindow::TakeIfReady(uint32_t index) {
  base::MutexLock lock(mutex_);
  CheckNext(index);
  const bool ready = next_taken_ < next_reserved_ &&
                     SlotAt(next_taken_).state == SlotState::kReady;
  return ready ? Pin() : nullptr;
}

void StreamWindow::Release(uint32_t index) {
  base::MutexLock lock(mutex_);
  SHOAL_CHECK(oldest_pinned_ < next_taken_, "entry ", index,
              " is released, but none is acquired");
  Slot& slot = SlotAt(oldest_pinned_);
  SHOAL_CHECK(streamed_[slot.stream_position] == index, "entry ", index,
              " is released before entry ", streamed_[slot.stream_position]);
  slot.done = true;
  AdvanceDone();
  options_.clock->NotifyAll(room_);
}

void StreamWindow::Skip(uint32_t index) {
  base::MutexLock lock(mutex_);
  CheckNext(index);
  SkipLocked();
  AdvanceDone();
  options_.clock->NotifyAll(room_);
}

void StreamWindow::Restart() {
  base::MutexLock lock(mutex_);
  for (uint64_t n = oldest_pinned_; n < next_taken_; ++n) {
    SlotAt(n).done = true;
  }
  while (take_position_ != 0) SkipLocked();
  AdvanceDone();
  options_.clock->NotifyAll(room_);
}

absl::Duration StreamWindow::stall_time() const {
  base::MutexLock lock(mutex_);
  return stall_;
}

void StreamWindow::ReadLoop() {
  std::vector<absl::Status> statuses;
  statuses.reserve(streamed_.size());
  mutex_.Lock();
  while (!stopping_) {
    Batch batch;
    if (!NextRetry(batch) && !NextBatch(batch)) {
      options_.clock->WaitUntil(room_, mutex_, absl::InfiniteFuture());
      continue;
    }
    mutex_.Unlock();
    statuses.resize(batch.count);
    loader_.Load(batch.first_entry, slab_.data() + batch.ring_offset, statuses);
    mutex_.Lock();
    FinishBatch(batch, statuses);
    options_.clock->NotifyAll(ready_);
    options_.clock->NotifyAll(room_);
  }
  mutex_.Unlock();
}

bool StreamWindow::NextBatch(Batch& batch) {
  const uint64_t free_slots = slots_.size() - (next_reserved_ - oldest_);
  uint64_t bytes = PaddedBytes(EntryAt(read_position_));
  const uint64_t room = ring_.Room(bytes);
  if (free_slots == 0 || room == 0) return false;

  const uint64_t limit = std::min(room, batch_bytes_max_);
  batch.first_slot = next_reserved_;
  batch.first_entry = streamed_[read_position_];
  batch.count = 1;
  while (batch.count < free_slots &&
         read_position_ + batch.count < streamed_.size()) {
    const uint32_t index = streamed_[read_position_ + batch.count];
    const CacheEntry& before = entries_[index - 1];
    if (index != batch.first_entry + batch.count ||
        entries_[index].offset != before.offset + PaddedBytes(before) ||
        bytes + PaddedBytes(entries_[index]) > limit) {
      break;
    }
    bytes += PaddedBytes(entries_[index]);
    ++batch.count;
  }

  batch.ring_offset = ring_.Allocate(bytes);
  uint64_t ring_offset = batch.ring_offset;
  for (uint32_t i = 0; i < batch.count; ++i) {
    Slot& slot = SlotAt(next_reserved_++);
    slot.stream_position = read_position_;
    slot.ring_offset = ring_offset;
    slot.state = SlotState::kReading;
    slot.done = false;
    slot.status = absl::OkStatus();
    ring_offset += PaddedBytes(EntryAt(read_position_));
    read_position_ = Following(read_position_);
  }
  return true;
}

bool StreamWindow::NextRetry(Batch& batch) {
  if (retry_count_ == 0) return false;
  uint64_t number = next_taken_;
  while (SlotAt(number).state != SlotState::kRetry) ++number;
  SHOAL_CHECK(number < next_reserved_);
  Slot& slot = SlotAt(number);
  slot.state = SlotState::kReading;
  --retry_count_;
  batch = Batch{.first_slot = number,
                .first_entry = streamed_[slot.stream_position],
                .count = 1,
                .ring_offset = slot.ring_offset};
  return true;
}

void StreamWindow::FinishBatch(const Batch& batch,
                               std::span<absl::Status> statuses) {
  for (uint32_t i = 0; i < batch.count; ++i) {
    Slot& slot = SlotAt(batch.first_slot + i);
    slot.status = std::move(statuses[i]);
    slot.state = slot.status.ok() ? SlotState::kReady : SlotState::kFailed;
  }
  AdvanceDone();  // some may have been skipped meanwhile
}

const std::byte* StreamWindow::Pin() {
  const Slot& slot = SlotAt(next_taken_++);
  take_position_ = Following(take_position_);
  return slab_.data() + slot.ring_offset;
}

// True if the reader cannot go on before a Release(): then a wait for the next
// unit, which the same thread would have to end, lasts for ever.
bool StreamWindow::PinsLeaveNoRoom() const {
  if (oldest_pinned_ == next_taken_ || oldest_ != oldest_pinned_) return false;
  return next_reserved_ - oldest_ == slots_.size() ||
         ring_.Room(PaddedBytes(EntryAt(read_position_))) == 0;
}

void StreamWindow::SkipLocked() {
  if (next_taken_ < next_reserved_) {
    Slot& slot = SlotAt(next_taken_++);
    slot.done = true;
    if (slot.state == SlotState::kRetry) {
      slot.state = SlotState::kFailed;
      --retry_count_;
    }
  } else {
    SHOAL_CHECK(read_position_ == take_position_);
    read_position_ = Following(read_position_);
  }
  take_position_ = Following(take_position_);
}

void StreamWindow::AdvanceDone() {
  while (oldest_pinned_ < next_taken_ && SlotAt(oldest_pinned_).done) {
    ++oldest_pinned_;
  }
  while (oldest_ < oldest_pinned_ &&
         SlotAt(oldest_).state != SlotState::kReading) {
    ++oldest_;
  }
  if (oldest_ == next_reserved_) {
    ring_.FreeAll();
  } else {
    ring_.FreeUpTo(SlotAt(oldest_).ring_offset);
  }
}

void StreamWindow::CheckNext(uint32_t index) const {
  SHOAL_CHECK(streamed_[take_position_] == index, "entry ", index,
              " is out of order: next is ", streamed_[take_position_]);
}

const CacheEntry& StreamWindow::EntryAt(uint32_t stream_position) const {
  return entries_[streamed_[stream_position]];
}

StreamWindow::Slot& StreamWindow::SlotAt(uint64_t number) {
  return slots_[number % slots_.size()];
}

const StreamWindow::Slot& StreamWindow::SlotAt(uint64_t number) const {
  return slots_[number % slots_.size()];
}

uint32_t StreamWindow::Following(uint32_t stream_position) const {
  return stream_position + 1 == streamed_.size() ? 0 : stream_position + 1;
}

}  // namespace shoal::memory
