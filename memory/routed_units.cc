#include "memory/routed_units.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::memory {

uint64_t RoutedUnits::BytesFor(uint64_t largest_bytes, uint32_t unit_count) {
  return std::min<uint64_t>(unit_count, kPlaceCountMax) *
         base::AlignUp(largest_bytes, kStoreAlignment);
}

absl::StatusOr<std::unique_ptr<RoutedUnits>> RoutedUnits::Create(
    UnitLoader& loader, base::Clock& clock, uint64_t largest_bytes,
    uint32_t unit_count) {
  SHOAL_CHECK(unit_count > 0);
  const uint64_t bytes = BytesFor(largest_bytes, unit_count);
  const uint64_t place_count = std::min<uint64_t>(unit_count, kPlaceCountMax);
  SHOAL_ASSIGN_OR_RETURN(Slab slab, Slab::Create(bytes));
  return std::unique_ptr<RoutedUnits>(new RoutedUnits(
      loader, clock, bytes / place_count, place_count, std::move(slab)));
}

RoutedUnits::RoutedUnits(UnitLoader& loader, base::Clock& clock,
                         uint64_t place_bytes, uint64_t place_count, Slab slab)
    : loader_(loader),
      clock_(clock),
      place_bytes_(place_bytes),
      place_count_(place_count),
      slab_(std::move(slab)) {
  loader_.file().Register(slab_.span());
  reader_ = std::thread([this] { ReadLoop(); });
}

RoutedUnits::~RoutedUnits() {
  {
    base::MutexLock lock(mutex_);
    ending_ = true;
  }
  clock_.NotifyAll(changed_);
  reader_.join();
  loader_.file().Unregister(slab_.span());
}

void RoutedUnits::Request(std::span<const uint32_t> entries) {
  base::MutexLock lock(mutex_);
  // A read of the old request would go on writing into a place of the new one.
  requested_.resize(read_ + (reading_ ? 1 : 0));
  while (reading_) clock_.WaitUntil(changed_, mutex_, absl::InfiniteFuture());
  requested_.assign(entries.begin(), entries.end());
  taken_ = 0;
  read_ = 0;
  clock_.NotifyAll(changed_);
}

absl::StatusOr<const std::byte*> RoutedUnits::Take(uint32_t entry,
                                                   absl::Time deadline) {
  base::MutexLock lock(mutex_);
  SHOAL_CHECK(taken_ < requested_.size() && requested_[taken_] == entry,
              "entry ", entry, " was not the next of the request");
  const uint64_t number = taken_++;
  // The place of the unit before may be read into from now on.
  clock_.NotifyAll(changed_);
  if (read_ > number) {
    SHOAL_RETURN_IF_ERROR(statuses_[number % kPlaceCountMax]);
    return PlaceOf(number);
  }
  const absl::Time waiting_since = clock_.Now();
  while (read_ <= number) {
    const absl::Duration waited = clock_.Now() - waiting_since;
    if (clock_.Now() >= deadline) {
      stall_ += waited;
      return absl::DeadlineExceededError(
          absl::StrCat("the disk did not answer: routed unit ",
                       loader_.UnitOf(entry), " of ", loader_.file().path(),
                       " was not read within ", absl::FormatDuration(waited)));
    }
    clock_.WaitUntil(changed_, mutex_, deadline);
  }
  stall_ += clock_.Now() - waiting_since;
  SHOAL_RETURN_IF_ERROR(statuses_[number % kPlaceCountMax]);
  return PlaceOf(number);
}

void RoutedUnits::ReadLoop() {
  base::MutexLock lock(mutex_);
  while (true) {
    // The unit taken last is in use: one may be read beside it.
    while (!ending_ && (read_ >= requested_.size() || read_ > taken_)) {
      clock_.WaitUntil(changed_, mutex_, absl::InfiniteFuture());
    }
    if (ending_) return;
    const uint64_t number = read_;
    const uint32_t entry = requested_[number];
    reading_ = true;
    mutex_.Unlock();
    absl::Status status;
    loader_.Load(entry, PlaceOf(number), {&status, 1});
    mutex_.Lock();
    reading_ = false;
    statuses_[number % kPlaceCountMax] = std::move(status);
    ++read_;
    clock_.NotifyAll(changed_);
  }
}

absl::Duration RoutedUnits::stall_time() const {
  base::MutexLock lock(mutex_);
  return stall_;
}

}  // namespace shoal::memory
