// Matrix products in plain C++: one row against a few tokens at a time, blocks
// in order, sums in double. Slow, and the yardstick for the vector kernels.

#include <algorithm>
#include <array>

#include "kernels/isa.h"
#include "kernels/scalar.h"
#include "kernels/type_table.h"

namespace shoal::kernels::scalar {
namespace {

// A row's block is decoded once for this many tokens.
constexpr uint32_t kTokenGroup = 8;
constexpr uint32_t kChunkElements =
    256;  // a whole number of blocks of any type

using Sums = std::array<double, kTokenGroup>;

void Write(const ProductOutput& output, uint64_t token, uint64_t row,
           float product) {
  const uint64_t at = token * output.stride + row;
  switch (output.mode) {
    case ProductOutput::Mode::kStore:
      static_cast<float*>(output.data)[at] = product;
      return;
    case ProductOutput::Mode::kAdd:
      static_cast<float*>(output.data)[at] += product;
      return;
    case ProductOutput::Mode::kAddF64:
      static_cast<double*>(output.data)[at] += product;
      return;
  }
}

// Adds the products of one decoded part and the block of 32 activations at
// `block` of each token. The integer sums are exact.
void AddPart(const DecodedPart& part, const ActivationView& input,
             uint64_t block, Sums& sums) {
  const uint64_t blocks = input.cols / kA8BlockElements;
  for (uint32_t token = 0; token < input.tokens; ++token) {
    const uint64_t at = token * blocks + block;
    const int8_t* quants = input.quants + at * kA8BlockElements;
    double value = 0;
    for (uint32_t half = 0; half < 2; ++half) {
      int32_t products = 0, activations = 0;
      for (uint32_t i = 16 * half; i < 16 * half + 16; ++i) {
        products += int32_t{part.quants[i]} * quants[i];
        activations += quants[i];
      }
      value += double{part.scales[half]} * products -
               double{part.mins[half]} * activations;
    }
    sums[token] += value * input.scales[at];
  }
}

void RowTimesA8(const TypeEntry& entry, const std::byte* row,
                const ActivationView& input, Sums& sums) {
  const uint32_t parts = entry.info.block_elements / kDecodedElements;
  const uint64_t blocks = input.cols / kA8BlockElements;
  DecodedPart part;
  for (uint64_t block = 0; block < blocks; ++block) {
    const uint64_t offset = block / parts * entry.info.block_bytes;
    entry.decode(row + offset, block % parts, part);
    AddPart(part, input, block, sums);
  }
}

void RowTimesF32(WeightType type, const std::byte* row,
                 const ActivationView& input, Sums& sums) {
  std::array<float, kChunkElements> chunk;
  for (uint32_t begin = 0; begin < input.cols; begin += kChunkElements) {
    const uint32_t count = std::min(kChunkElements, input.cols - begin);
    Dequantize(type, row, count, chunk.data());
    row += BytesOf(type, count);
    for (uint32_t token = 0; token < input.tokens; ++token) {
      const float* values = input.values + uint64_t{token} * input.cols + begin;
      for (uint32_t i = 0; i < count; ++i) {
        sums[token] += double{chunk[i]} * values[i];
      }
    }
  }
}

}  // namespace

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  CheckProductArguments(LayoutId::kCanonical, weights, row_begin, row_end,
                        input);
  const uint64_t row_bytes = BytesOf(weights.type, weights.cols);
  for (uint32_t first = 0; first < input.tokens; first += kTokenGroup) {
    const ActivationView group =
        input.Tokens(first, std::min(kTokenGroup, input.tokens - first));
    for (uint32_t row = row_begin; row < row_end; ++row) {
      const std::byte* data = weights.data + row * row_bytes;
      Sums sums = {};
      if (input.encoding == Encoding::kA8) {
        RowTimesA8(entry, data, group, sums);
      } else {
        RowTimesF32(weights.type, data, group, sums);
      }
      for (uint32_t token = 0; token < group.tokens; ++token) {
        Write(output, first + token, row, static_cast<float>(sums[token]));
      }
    }
  }
}

}  // namespace shoal::kernels::scalar
