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
  // and attention output; gate and up. Half of what an expert needs, because
  // experts take half as many tokens at once.
  uint32_t unit_scratch_floats = 0;
  // Bytes of one token's phase inputs in all their encodings.
  uint64_t input_bytes = 0;
  // Floats per token that hubs need for routers and projections.
  uint32_t hub_scratch_floats = 0;
};

// Tokens that go through the steps of a unit together, at most: enough for one
// unpacking of its weights to be little beside the products.
inline constexpr uint32_t kTileTokens = 128;

// The tokens that scratch is for, where passes have up to `pass_tokens`. Even,
// for the experts' half.
constexpr uint32_t ScratchTokens(uint32_t pass_tokens) {
  return pass_tokens >= kTileTokens ? kTileTokens : (pass_tokens + 1) / 2 * 2;
}

// Beside each float of scratch there is room for so many encoded values: the
// intermediates of several units wait there for one visit of the sums.
inline constexpr uint32_t kIntermediatesPerFloat = 5;

}  // namespace shoal::base

#endif  // SHOAL_BASE_MODEL_DIMENSIONS_H_
