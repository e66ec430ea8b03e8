// Rotary position embedding: angles per position, made once per model.
//
// Source: RoFormer (arXiv 2104.09864); scaling by YaRN (arXiv 2309.00071) and
// by per-dimension frequency factors (the llama-3 form in GGUF files).

#ifndef SHOAL_KERNELS_ROPE_H_
#define SHOAL_KERNELS_ROPE_H_

#include <cstdint>
#include <span>
#include <vector>

namespace shoal::kernels {

enum class RopePairing : uint8_t {
  kAdjacent,   // (0, 1), (2, 3), ...
  kHalfSplit,  // (0, d/2), (1, d/2 + 1), ...
};

struct RopeParameters {
  RopePairing pairing = RopePairing::kAdjacent;
  uint32_t rotary_dim = 0;  // leading elements of a head; even; 0: no rotation
  double base = 10000.0;
  double frequency_scale = 1.0;  // linear: 1 / factor
  // YaRN; off while extension_factor is 0.
  double extension_factor = 0.0;
  double attention_factor = 1.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  uint32_t original_context = 0;
  // Divide the frequency of each pair; empty or rotary_dim / 2 values.
  std::vector<float> frequency_factors;

  friend bool operator==(const RopeParameters&,
                         const RopeParameters&) = default;
};

// Fills `cos_sin` [rotary_dim / 2, 2] for one position: cos and sin of each
// pair, times the magnitude factor of YaRN. Computed in double.
void RopeAngles(const RopeParameters& parameters, uint32_t position,
                std::span<float> cos_sin);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ROPE_H_
