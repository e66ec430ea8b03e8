// Reads units that a pass asks for by name, such as the experts that its
// tokens are routed to.

#ifndef SHOAL_MEMORY_ROUTED_UNITS_H_
#define SHOAL_MEMORY_ROUTED_UNITS_H_

#include <array>
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

namespace shoal::memory {

// Two places (one, if there is but one unit): while the caller computes one
// unit, the next is read.
//
// Memory:  one slab of the places, each as large as the largest unit.
// Threads: all calls but stall_time() belong to one thread. Owns a reader
//          thread, which the destructor joins.
// Failure: a failed read fails one Take(); Request() begins anew.
class RoutedUnits {
 public:
  // `loader` and `clock` are borrowed.
  // `unit_count`: how many units requests may name, at least 1.
  // Errors: kResourceExhausted  no memory
  static absl::StatusOr<std::unique_ptr<RoutedUnits>> Create(
      UnitLoader& loader, base::Clock& clock, uint64_t largest_bytes,
      uint32_t unit_count);

  static uint64_t BytesFor(uint64_t largest_bytes, uint32_t unit_count);
  ~RoutedUnits();
  RoutedUnits(const RoutedUnits&) = delete;
  RoutedUnits& operator=(const RoutedUnits&) = delete;

  // The entries that Take() will be called for, in this order. What was taken
  // before is given back; what was requested and not taken is forgotten.
  void Request(std::span<const uint32_t> entries) ABSL_LOCKS_EXCLUDED(mutex_);

  // The bytes of the next entry of the request, which must be `entry`; they
  // stay until the next call.
  // Errors: kDeadlineExceeded  not in memory by `deadline`
  //         else why its read failed
  absl::StatusOr<const std::byte*> Take(uint32_t entry, absl::Time deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Time that Take() spent waiting.
  absl::Duration stall_time() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr uint64_t kPlaceCountMax = 2;

  RoutedUnits(UnitLoader& loader, base::Clock& clock, uint64_t place_bytes,
              uint64_t place_count, Slab slab);

  void ReadLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  std::byte* PlaceOf(uint64_t number) const {
    return slab_.data() + number % place_count_ * place_bytes_;
  }

  UnitLoader& loader_;
  base::Clock& clock_;
  const uint64_t place_bytes_;
  const uint64_t place_count_;
  Slab slab_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<uint32_t> requested_ ABSL_GUARDED_BY(mutex_);
  std::array<absl::Status, kPlaceCountMax> statuses_ ABSL_GUARDED_BY(mutex_);
  // Positions in requested_: taken_ <= read_ <= taken_ + 1, as the place that
  // was taken last is in use.
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t read_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration stall_ ABSL_GUARDED_BY(mutex_);
  std::thread reader_;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_ROUTED_UNITS_H_
