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

float ElementAt(KvType type, const std::byte* from, uint64_t index) {
  if (type == KvType::kF32) {
    float value;
    std::memcpy(&value, from + index * sizeof(value), sizeof(value));
    return value;
  }
  uint16_t half;
  std::memcpy(&half, from + index * sizeof(half), sizeof(half));
  return FloatFromHalf(half);
}

float Score(const AttentionArgs& args, const std::byte* page, uint32_t slot) {
  double dot = 0;
  for (uint32_t i = 0; i < args.key_dim; ++i) {
    const uint64_t index = uint64_t{slot} * args.key_dim + i;
    dot += double{args.query[i]} * ElementAt(args.kv_type, page, index);
  }
  const float score = static_cast<float>(dot) * args.scale;
  if (args.score_cap == 0.0f) return score;
  return args.score_cap * std::tanh(score / args.score_cap);
}

}  // namespace

void Attention(const AttentionArgs& args, float* out) {
  CheckAttentionArguments(args);
  std::fill(out, out + args.value_dim, 0.0f);
  // A sink is a first score whose value is nothing.
  float max = args.sink == nullptr ? -std::numeric_limits<float>::infinity()
                                   : *args.sink;
  float sum = args.sink == nullptr ? 0.0f : 1.0f;
  const uint32_t last_block = (args.end - 1) / kKvPagePositions;
  for (uint32_t block = args.begin / kKvPagePositions; block <= last_block;
       ++block) {
    const std::byte* page = args.pages[block];
    const uint32_t start = block * kKvPagePositions;
    const uint32_t first = std::max(args.begin, start) - start;
    const uint32_t past = std::min(args.end - start, kKvPagePositions);
    std::array<float, kKvPagePositions> weights;
    float new_max = max;
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = Score(args, page, slot);
      new_max = std::max(new_max, weights[slot]);
    }
    const float rescale = std::exp(max - new_max);
    max = new_max;
    sum *= rescale;
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = std::exp(weights[slot] - max);
      sum += weights[slot];
    }
    const uint64_t values = uint64_t{kKvPagePositions} * args.key_dim;
    for (uint32_t i = 0; i < args.value_dim; ++i) {
      double added = 0;
      for (uint32_t slot = first; slot < past; ++slot) {
        const uint64_t index = values + uint64_t{slot} * args.value_dim + i;
        added += double{weights[slot]} * ElementAt(args.kv_type, page, index);
      }
      out[i] = out[i] * rescale + static_cast<float>(added);
    }
  }
  for (uint32_t i = 0; i < args.value_dim; ++i) out[i] /= sum;
}

}  // namespace shoal::kernels::scalar
