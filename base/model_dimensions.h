// What of a model's shape the memory of a rank depends on.

#ifndef SHOAL_BASE_MODEL_DIMENSIONS_H_
#define SHOAL_BASE_MODEL_DIMENSIONS_H_

#include <cstdint>

namespace shoal::base {

struct ModelDimensions {
  uint32_t hidden = 0;
  uint32_t vocabulary = 0;
  uint32_t layer_count = 0;
  // Most floats per token that computing one unit needs: queries, keys, values
  // and attention output; gate and up.
  uint32_t unit_scratch_floats = 0;
  // Bytes of one token's phase inputs in all their encodings.
  uint64_t input_bytes = 0;
  // Floats per token that hubs need for routers and projections.
  uint32_t hub_scratch_floats = 0;
};

}  // namespace shoal::base

#endif  // SHOAL_BASE_MODEL_DIMENSIONS_H_
