// NEON attention: attention_tile.h with 4 lanes.

#include "kernels/attention_tile.h"
#include "kernels/isa.h"
#include "kernels/math_neon.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {
namespace {

struct Vector {
  using Float = float32x4_t;
  static constexpr uint32_t kLanes = 4;
  // Of 32 registers, 24 hold sums.
  static constexpr uint32_t kRows = 3;

  static Float Load(const float* from) { return vld1q_f32(from); }
  static void Store(Float values, float* to) { vst1q_f32(to, values); }
  static Float Set1(float value) { return vdupq_n_f32(value); }
  static Float Add(Float a, Float b) { return vaddq_f32(a, b); }
  static Float Sub(Float a, Float b) { return vsubq_f32(a, b); }
  static Float Mul(Float a, Float b) { return vmulq_f32(a, b); }
  static Float Div(Float a, Float b) { return vdivq_f32(a, b); }
  static Float Max(Float a, Float b) { return vmaxq_f32(a, b); }
  static Float Fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  static Float Exp(Float x) { return neon::Exp(x); }
  static bool AnyAbove(Float a, Float b) {
    return vminvq_u32(vcleq_f32(a, b)) == 0;
  }
  static float SumLanes(Float values) { return vaddvq_f32(values); }
  static float MaxLane(Float values) { return vmaxvq_f32(values); }
  static Float FromHalfs(const std::byte* from) {
    return vcvt_f32_f16(vreinterpret_f16_u16(
        vld1_u16(reinterpret_cast<const uint16_t*>(from))));
  }
  static Float FromBytes(const std::byte* from) {
    int32_t four;
    std::memcpy(&four, from, sizeof(four));
    const int16x8_t words = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
  }
};

}  // namespace

void Attention(const AttentionArgs& args) {
  CheckAttentionArguments(args);
  RunAttention<Vector>(args);
}

}  // namespace shoal::kernels::neon
