// The parts of a model that are not cut: norms and other vectors, which every
// rank keeps, and the matrices of routers and projections, which hubs keep.

#ifndef SHOAL_WORKER_HUB_UNITS_H_
#define SHOAL_WORKER_HUB_UNITS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/layout.h"
#include "memory/block_file.h"
#include "memory/slab.h"
#include "memory/weight_store.h"
#include "model/unit_table.h"
#include "parallel/plan.h"

namespace shoal::worker {

// Immutable after Load().
class HubUnits {
 public:
  // Reads the hub units at `indices` of the table. `repair` brings a damaged
  // one back into the store. REQUIRES: they are in the store.
  // Errors: kDataLoss  damaged also after `repair`; kUnavailable  disk;
  //         kResourceExhausted  no memory
  static absl::StatusOr<HubUnits> Load(
      const model::UnitTable& units, std::span<const uint32_t> indices,
      kernels::LayoutId layout, memory::WeightStore& store,
      memory::BlockFile& file,
      const std::function<absl::Status(uint32_t unit_index)>& repair);

  // A vector, e.g. kInputNorm of input `slot`. Empty where there is none.
  std::span<const float> Vector(uint32_t layer, uint32_t phase,
                                model::PartRole role, uint32_t slot = 0) const;
  // REQUIRES: it was loaded.
  kernels::WeightMatrix Matrix(uint32_t layer, uint32_t phase,
                               model::PartRole role, uint32_t slot = 0) const;

  // Of the table, those that `rank` keeps, ascending.
  static std::vector<uint32_t> IndicesOf(const parallel::Plan& plan,
                                         uint32_t rank,
                                         const model::UnitTable& units);

 private:
  using Key = std::tuple<uint32_t, uint32_t, model::PartRole, uint32_t>;

  std::vector<memory::Slab> slabs_;
  std::map<Key, kernels::WeightMatrix> parts_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_HUB_UNITS_H_
