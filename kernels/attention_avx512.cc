// AVX-512 attention: attention_tile.h with 16 lanes. Needs AVX512F and DQ.

#include <immintrin.h>

#include "kernels/attention_tile.h"
#include "kernels/avx512.h"
#include "kernels/isa.h"
#include "kernels/math_avx512.h"

namespace shoal::kernels::avx512 {
namespace {

__m256 HighHalf(__m512 values) { return _mm512_extractf32x8_ps(values, 1); }

struct Vector {
  using Float = __m512;
  static constexpr uint32_t kLanes = 16;
  // Of 32 registers, 16 hold sums; a factor is spread by the multiply-add.
  static constexpr uint32_t kRows = 8;

  static Float Load(const float* from) { return _mm512_loadu_ps(from); }
  static void Store(Float values, float* to) { _mm512_storeu_ps(to, values); }
  static Float Set1(float value) { return _mm512_set1_ps(value); }
  static Float Add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float Sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float Mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float Div(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float Max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float Fma(Float a, Float b, Float c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  static Float Exp(Float x) { return Exp16(x); }
  static bool AnyAbove(Float a, Float b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ) != 0;
  }
  // The lanes in a fixed order.
  static float SumLanes(Float values) {
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256(values), HighHalf(values));
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(half),
                            _mm256_extractf128_ps(half, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    return _mm_cvtss_f32(sum);
  }
  static float MaxLane(Float values) {
    const __m256 half =
        _mm256_max_ps(_mm512_castps512_ps256(values), HighHalf(values));
    __m128 max = _mm_max_ps(_mm256_castps256_ps128(half),
                            _mm256_extractf128_ps(half, 1));
    max = _mm_max_ps(max, _mm_movehl_ps(max, max));
    max = _mm_max_ss(max, _mm_movehdup_ps(max));
    return _mm_cvtss_f32(max);
  }
  static Float FromHalfs(const std::byte* from) {
    return _mm512_cvtph_ps(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Float FromBytes(const std::byte* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
};

}  // namespace

void Attention(const AttentionArgs& args) {
  CheckAttentionArguments(args);
  RunAttention<Vector>(args);
}

}  // namespace shoal::kernels::avx512
