// NEON attention: the online softmax of attention_scalar.cc, 4 lanes wide.

#include <cmath>

#include "kernels/isa.h"
#include "kernels/math_neon.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {
namespace {

// `count` (at least 1) elements from `element` on, at most 4, then zeros.
float32x4_t Load(KvType type, const std::byte* from, uint64_t element,
                 uint32_t count) {
  if (type == KvType::kF32) {
    return LoadUpTo4(reinterpret_cast<const float*>(from) + element, count);
  }
  uint16_t halfs[4] = {};
  std::memcpy(halfs, from + 2 * element, (count < 4 ? count : 4) * 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halfs)));
}

float Dot(const AttentionArgs& args, const std::byte* keys, uint32_t slot) {
  const uint64_t first = uint64_t{slot} * args.key_dim;
  float32x4_t sum = vdupq_n_f32(0.0f);
  for (uint32_t i = 0; i < args.key_dim; i += 4) {
    const uint32_t count = args.key_dim - i;
    sum = vfmaq_f32(sum, LoadUpTo4(args.query + i, count),
                    Load(args.kv_type, keys, first + i, count));
  }
  return vaddvq_f32(sum);
}

// The running state of the online softmax.
struct Softmax {
  // A sink is a first score whose value is nothing.
  explicit Softmax(const float* sink)
      : max(sink == nullptr ? -__builtin_inff() : *sink),
        sum(sink == nullptr ? 0.0f : 1.0f) {}

  float max;
  float sum;

  // Takes in the scores [32] of a block (-infinity where nothing is seen),
  // turns them into weights, and returns the factor for what came before.
  float Take(float* scores) {
    float32x4_t block_max = vld1q_f32(scores);
    for (uint32_t i = 4; i < kKvPagePositions; i += 4) {
      block_max = vmaxq_f32(block_max, vld1q_f32(scores + i));
    }
    const float largest = vmaxvq_f32(block_max);
    const float new_max = largest > max ? largest : max;
    const float rescale = vgetq_lane_f32(Exp(vdupq_n_f32(max - new_max)), 0);
    max = new_max;
    float32x4_t block_sum = vdupq_n_f32(0.0f);
    for (uint32_t i = 0; i < kKvPagePositions; i += 4) {
      const float32x4_t weights =
          Exp(vsubq_f32(vld1q_f32(scores + i), vdupq_n_f32(max)));
      vst1q_f32(scores + i, weights);
      block_sum = vaddq_f32(block_sum, weights);
    }
    sum = sum * rescale + vaddvq_f32(block_sum);
    return rescale;
  }
};

}  // namespace

void Attention(const AttentionArgs& args, float* out) {
  CheckAttentionArguments(args);
  std::memset(out, 0, args.value_dim * sizeof(float));
  Softmax softmax(args.sink);
  const uint32_t last_block = (args.end - 1) / kKvPagePositions;
  for (uint32_t block = args.begin / kKvPagePositions; block <= last_block;
       ++block) {
    const std::byte* page = args.pages[block];
    const uint32_t start = block * kKvPagePositions;
    const uint32_t first = args.begin > start ? args.begin - start : 0;
    const uint32_t past = args.end - start < kKvPagePositions
                              ? args.end - start
                              : kKvPagePositions;
    float weights[kKvPagePositions];
    for (float& weight : weights) weight = -__builtin_inff();
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = Dot(args, page, slot) * args.scale;
    }
    if (args.score_cap != 0.0f) {
      for (uint32_t slot = first; slot < past; ++slot) {
        weights[slot] =
            args.score_cap * std::tanh(weights[slot] / args.score_cap);
      }
    }
    const float rescale = softmax.Take(weights);
    const uint64_t values = uint64_t{kKvPagePositions} * args.key_dim;
    for (uint32_t i = 0; i < args.value_dim; i += 4) {
      const uint32_t count = args.value_dim - i;
      float32x4_t sum = vmulq_n_f32(LoadUpTo4(out + i, count), rescale);
      for (uint32_t slot = first; slot < past; ++slot) {
        const uint64_t at = values + uint64_t{slot} * args.value_dim + i;
        sum = vfmaq_f32(sum, Load(args.kv_type, page, at, count),
                        vdupq_n_f32(weights[slot]));
      }
      StoreUpTo4(sum, out + i, count);
    }
  }
  for (uint32_t i = 0; i < args.value_dim; ++i) out[i] /= softmax.sum;
}

}  // namespace shoal::kernels::neon
