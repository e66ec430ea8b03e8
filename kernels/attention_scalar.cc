// Attention in plain C++. Online softmax (arXiv 1805.02867): a running maximum
// and sum; a block with a larger maximum rescales what was added before.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/scalar.h"

namespace shoal::kernels::scalar {
namespace {

float HalfAt(const std::byte* from, uint64_t index) {
  uint16_t half;
  std::memcpy(&half, from + index * sizeof(half), sizeof(half));
  return FloatFromHalf(half);
}

// Element `i` of the position `slot`, the `index`-th of the page's keys or
// values [dim of each position], which begin at `from`.
float ElementAt(KvType type, const std::byte* from, uint32_t dim,
                uint64_t index, uint32_t slot, uint32_t i) {
  switch (type) {
    case KvType::kF32: {
      float value;
      std::memcpy(&value, from + index * sizeof(value), sizeof(value));
      return value;
    }
    case KvType::kF16:
      return HalfAt(from, index);
    case KvType::kQ8:
      break;
  }
  const std::byte* scales = from + uint64_t{kKvPagePositions} * dim;
  const uint32_t block = i / kKvBlockElements;
  return static_cast<float>(static_cast<int8_t>(from[index])) *
         HalfAt(scales, block * kKvPagePositions + slot);
}

float Score(const AttentionArgs& args, const AttentionQuery& query,
            const std::byte* page, uint32_t slot) {
  double dot = 0;
  for (uint32_t i = 0; i < args.shape.key_dim; ++i) {
    const uint64_t index = uint64_t{i} * kKvPagePositions + slot;
    dot += double{query.query[i]} *
           ElementAt(args.shape.type, page, args.shape.key_dim, index, slot, i);
  }
  const float score = static_cast<float>(dot) * args.scale;
  if (args.score_cap == 0.0f) return score;
  return args.score_cap * std::tanh(score / args.score_cap);
}

void Attend(const AttentionArgs& args, const AttentionQuery& query) {
  const uint32_t dim = args.shape.value_dim;
  std::fill(query.out, query.out + dim, 0.0f);
  // A sink is a first score whose value is nothing.
  float max = query.sink == nullptr ? -std::numeric_limits<float>::infinity()
                                    : *query.sink;
  float sum = query.sink == nullptr ? 0.0f : 1.0f;
  const uint32_t last_block = (query.end - 1) / kKvPagePositions;
  for (uint32_t block = query.begin / kKvPagePositions; block <= last_block;
       ++block) {
    const std::byte* page = args.pages[block];
    const uint32_t start = block * kKvPagePositions;
    const uint32_t first = std::max(query.begin, start) - start;
    const uint32_t past = std::min(query.end - start, kKvPagePositions);
    std::array<float, kKvPagePositions> weights;
    float new_max = max;
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = Score(args, query, page, slot);
      new_max = std::max(new_max, weights[slot]);
    }
    const float rescale = std::exp(max - new_max);
    max = new_max;
    sum *= rescale;
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = std::exp(weights[slot] - max);
      sum += weights[slot];
    }
    const std::byte* values =
        page + KvRowsBytes(args.shape.type, args.shape.key_dim);
    for (uint32_t i = 0; i < dim; ++i) {
      double added = 0;
      for (uint32_t slot = first; slot < past; ++slot) {
        const uint64_t index = uint64_t{slot} * dim + i;
        added += double{weights[slot]} *
                 ElementAt(args.shape.type, values, dim, index, slot, i);
      }
      query.out[i] = query.out[i] * rescale + static_cast<float>(added);
    }
  }
  for (uint32_t i = 0; i < dim; ++i) query.out[i] /= sum;
}

}  // namespace

void Attention(const AttentionArgs& args) {
  CheckAttentionArguments(args);
  for (uint32_t q = 0; q < args.query_count; ++q) Attend(args, args.queries[q]);
}

}  // namespace shoal::kernels::scalar
