// AVX2 attention: attention_tile.h with 8 lanes.

#include "kernels/attention_tile.h"
#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/math_avx2.h"

namespace shoal::kernels::avx2 {
namespace {

struct Vector {
  using Float = __m256;
  static constexpr uint32_t kLanes = 8;
  // Of 16 registers, 12 hold sums, 3 factors and 1 a row.
  static constexpr uint32_t kRows = 3;

  static Float Load(const float* from) { return _mm256_loadu_ps(from); }
  static void Store(Float values, float* to) { _mm256_storeu_ps(to, values); }
  static Float Set1(float value) { return _mm256_set1_ps(value); }
  static Float Add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float Sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float Mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float Div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float Max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float Fma(Float a, Float b, Float c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  static Float Exp(Float x) { return avx2::Exp(x); }
  static bool AnyAbove(Float a, Float b) {
    return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLE_UQ)) != 0;
  }
  static float SumLanes(Float values) { return avx2::SumLanes(values); }
  static float MaxLane(Float values) { return avx2::MaxLane(values); }
  static Float FromHalfs(const std::byte* from) {
    return _mm256_cvtph_ps(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Float FromBytes(const std::byte* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
  }
};

}  // namespace

void Attention(const AttentionArgs& args) {
  CheckAttentionArguments(args);
  RunAttention<Vector>(args);
}

}  // namespace shoal::kernels::avx2
