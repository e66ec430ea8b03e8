// Brings a rank's units into its store: fetched, packed, written once.

#ifndef SHOAL_WORKER_UNIT_INSTALL_H_
#define SHOAL_WORKER_UNIT_INSTALL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/layout.h"
#include "memory/weight_store.h"
#include "model/unit_table.h"
#include "parallel/rank.h"

namespace shoal::worker {

// Converts the parts of a unit between its canonical form and `layout`.
// REQUIRES: both spans have the unit's size and do not overlap.
void PackUnit(const model::UnitLayout& unit, kernels::LayoutId layout,
              std::span<const std::byte> canonical,
              std::span<std::byte> packed);
void UnpackUnit(const model::UnitLayout& unit, kernels::LayoutId layout,
                std::span<const std::byte> packed,
                std::span<std::byte> canonical);

// Makes every unit of `unit_indices` (ascending) present in the store with the
// contents that the fetcher has: what the store holds is confirmed by digest,
// what lies there in another layout is repacked, the rest is fetched.
// Returns the bytes of the units that were sent.
// Errors: those of the fetcher and the store
absl::StatusOr<uint64_t> InstallUnits(
    const model::UnitTable& units, std::span<const uint32_t> unit_indices,
    kernels::LayoutId layout, memory::WeightStore& store,
    parallel::UnitFetcher& fetcher,
    absl::FunctionRef<void(const parallel::LoadProgress&)> progress);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_UNIT_INSTALL_H_
