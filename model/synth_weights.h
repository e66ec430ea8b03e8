// Random weights of a given spread, as the blocks of a weight type.

#ifndef SHOAL_MODEL_SYNTH_WEIGHTS_H_
#define SHOAL_MODEL_SYNTH_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/weight_type.h"

namespace shoal::model {

// Fills blocks with weights of mean 0 and standard deviation `spread`. The
// bytes depend on seed, type, spread and position alone.
//
// Cost:    more than 1 GB/s on one core.
// Threads: thread-safe once made.
class SynthWeights {
 public:
  // REQUIRES: `type` is F32 or one of those in Supports(); 1e-4 < spread < 1.
  SynthWeights(kernels::WeightType type, double spread, uint64_t seed);

  // What the big matrices of a model can be made of.
  static bool Supports(kernels::WeightType type);

  uint64_t block_bytes() const { return kernels::InfoOf(type_).block_bytes; }

  // The blocks from number `first_block` on.
  // REQUIRES: blocks.size() is a whole number of blocks.
  void Fill(uint64_t first_block, std::span<std::byte> blocks) const;

 private:
  void FillQ4_0(uint64_t first_block, std::span<std::byte> blocks) const;
  void FillQ8_0(uint64_t first_block, std::span<std::byte> blocks) const;
  void FillF16(uint64_t first_element, std::span<std::byte> elements) const;
  void FillF32(uint64_t first_element, std::span<std::byte> elements) const;
  uint16_t Scale(uint64_t random) const;

  kernels::WeightType type_;
  uint64_t seed_;
  uint16_t scale_ = 0;            // of quantised types, a half
  std::vector<uint16_t> halves_;  // F16, F32: to draw from
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_WEIGHTS_H_
