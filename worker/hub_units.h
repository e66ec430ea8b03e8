// The parts of a model that are not cut: norms, output biases, rope factors.

#ifndef SHOAL_WORKER_HUB_UNITS_H_
#define SHOAL_WORKER_HUB_UNITS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "memory/block_file.h"
#include "memory/weight_store.h"
#include "model/unit_table.h"

namespace shoal::worker {

// Kept in memory by every rank: some kilobytes a layer. Immutable after Load().
class HubUnits {
 public:
  // Reads all hub units of the model. `repair` brings a damaged one back into
  // the store. REQUIRES: they are in the store.
  // Errors: kDataLoss  damaged also after `repair`; kUnavailable  disk
  static absl::StatusOr<HubUnits> Load(
      const model::UnitTable& units, memory::WeightStore& store,
      memory::BlockFile& file,
      const std::function<absl::Status(uint32_t unit_index)>& repair);

  // Empty where the phase has none.
  std::span<const float> InputNorm(uint32_t layer, uint32_t phase) const;
  std::span<const float> OutputBias(uint32_t layer, uint32_t phase) const;
  std::span<const float> RopeFactors() const;

  // Their indices in the table, ascending.
  static std::vector<uint32_t> IndicesIn(const model::UnitTable& units);

 private:
  struct Vector {
    uint32_t layer;
    uint32_t phase;
    model::PartRole role;
    std::vector<float> values;
  };
  std::span<const float> Find(uint32_t layer, uint32_t phase,
                              model::PartRole role) const;

  std::vector<Vector> vectors_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_HUB_UNITS_H_
