// The activations of a few tokens as vector products walk them. Static for the
// reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_A8_ROWS_H_
#define SHOAL_KERNELS_A8_ROWS_H_

#include <cstdint>

#include "kernels/activations.h"

namespace shoal::kernels {
namespace {

// The activations of a few tokens, from one block of 32 on.
struct A8Rows {
  const int8_t* quants;
  const float* scales;
  const int16_t* sums;
  uint64_t cols;
  uint64_t blocks;

  explicit A8Rows(const ActivationView& input, uint32_t token)
      : quants(input.quants + uint64_t{token} * input.cols),
        scales(input.scales + token * uint64_t{input.cols / kA8BlockElements}),
        sums(input.sums + token * uint64_t{input.cols / kA8SumElements}),
        cols(input.cols),
        blocks(input.cols / kA8BlockElements) {}

  void Skip(uint64_t count) {
    quants += count * kA8BlockElements;
    scales += count;
    sums += 2 * count;
  }
  // Of the activations that meet scale k of a part.
  template <int kScales>
  int SumOf(int token, uint64_t part, int k) const {
    const int16_t* halves = sums + 2 * (token * blocks + part);
    return kScales == 1 ? halves[0] + halves[1] : halves[k];
  }
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_A8_ROWS_H_
