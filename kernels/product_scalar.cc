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

// Gives the blocks of one row in canonical form, whatever the layout.
class RowReader {
 public:
  RowReader(const WeightMatrix& weights, uint32_t row)
      : entry_(EntryOf(weights.type)) {
    const uint64_t row_bytes = BytesOf(weights.type, weights.cols);
    const bool tiled = weights.layout == LayoutId::kTile16;
    const uint32_t first = tiled ? row / kTileRows * kTileRows : row;
    data_ = weights.data + first * row_bytes;
    lane_ = row - first;
    lanes_ = tiled ? std::min(kTileRows, weights.rows - first) : 1;
  }

  // `count` blocks from `block` on; valid until the next call.
  // REQUIRES: they have at most kChunkElements elements.
  const std::byte* Blocks(uint64_t block, uint32_t count) {
    const std::byte* from = data_ + block * entry_.info.block_bytes * lanes_;
    if (lanes_ == 1) return from;
    std::byte* to = buffer_.data();
    for (uint32_t i = 0; i < count; ++i) {
      for (const BlockField& field : entry_.fields) {
        for (uint32_t word = 0; word < field.word_count; ++word) {
          std::copy_n(from + lane_ * field.word_bytes, field.word_bytes, to);
          from += lanes_ * field.word_bytes;
          to += field.word_bytes;
        }
      }
    }
    return buffer_.data();
  }

 private:
  const TypeEntry& entry_;
  const std::byte* data_;
  uint32_t lane_;   // the row's place in its tile
  uint32_t lanes_;  // rows of the tile
  std::array<std::byte, kChunkElements * sizeof(float)> buffer_;
};

void RowTimesA8(const TypeEntry& entry, RowReader& row,
                const ActivationView& input, Sums& sums) {
  const uint32_t parts = entry.info.block_elements / kDecodedElements;
  const uint64_t blocks = input.cols / kA8BlockElements;
  DecodedPart part;
  const std::byte* bytes = nullptr;
  for (uint64_t block = 0; block < blocks; ++block) {
    if (block % parts == 0) bytes = row.Blocks(block / parts, 1);
    entry.decode(bytes, block % parts, part);
    AddPart(part, input, block, sums);
  }
}

void RowTimesF32(const TypeEntry& entry, RowReader& row,
                 const ActivationView& input, Sums& sums) {
  const uint32_t block_elements = entry.info.block_elements;
  std::array<float, kChunkElements> chunk;
  for (uint32_t begin = 0; begin < input.cols; begin += kChunkElements) {
    const uint32_t count = std::min(kChunkElements, input.cols - begin);
    Dequantize(entry.info.type,
               row.Blocks(begin / block_elements, count / block_elements),
               count, chunk.data());
    for (uint32_t token = 0; token < input.tokens; ++token) {
      const float* values = input.values + uint64_t{token} * input.cols + begin;
      for (uint32_t i = 0; i < count; ++i) {
        sums[token] += double{chunk[i]} * values[i];
      }
    }
  }
}

void Multiply(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
              const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  for (uint32_t first = 0; first < input.tokens; first += kTokenGroup) {
    const ActivationView group =
        input.Tokens(first, std::min(kTokenGroup, input.tokens - first));
    for (uint32_t row = row_begin; row < row_end; ++row) {
      RowReader reader(weights, row);
      Sums sums = {};
      if (input.encoding == Encoding::kA8) {
        RowTimesA8(entry, reader, group, sums);
      } else {
        RowTimesF32(entry, reader, group, sums);
      }
      for (uint32_t token = 0; token < group.tokens; ++token) {
        Write(output, first + token, row, static_cast<float>(sums[token]));
      }
    }
  }
}

}  // namespace

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  CheckProductArguments(LayoutId::kCanonical, weights, row_begin, row_end,
                        input);
  Multiply(weights, row_begin, row_end, input, output);
}

void ProductTile16(const WeightMatrix& weights, uint32_t row_begin,
                   uint32_t row_end, const ActivationView& input,
                   const ProductOutput& output) {
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  Multiply(weights, row_begin, row_end, input, output);
}

}  // namespace shoal::kernels::scalar
