// AVX2 functions other than products and attention.

#include "kernels/activation_constants.h"
#include "kernels/avx2.h"
#include "kernels/math_avx2.h"

namespace shoal::kernels::avx2 {
namespace {

__m256i QuantsOf(const float* values, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values), inverse));
}

// The largest magnitude of a block as bits, where infinity and NaN are above
// all numbers.
uint32_t MaxBits(const float* values) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i max = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(values + 8 * i));
    max = _mm256_max_epi32(max, _mm256_and_si256(bits, magnitude));
  }
  __m128i half = _mm_max_epi32(_mm256_castsi256_si128(max),
                               _mm256_extracti128_si256(max, 1));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
}

// Adds 4 floats, squared in double.
__m256d AddSquares(__m128 values, __m256d sum) {
  const __m256d wide = _mm256_cvtps_pd(values);
  return _mm256_fmadd_pd(wide, wide, sum);
}

// The lanes in a fixed order.
double SumOf(__m256d fours) {
  const __m128d twos = _mm_add_pd(_mm256_castpd256_pd128(fours),
                                  _mm256_extractf128_pd(fours, 1));
  return _mm_cvtsd_f64(_mm_hadd_pd(twos, twos));
}

}  // namespace

void EncodeA8(const float* from, uint32_t cols, int8_t* quants, float* scales,
              int16_t* sums) {
  for (uint32_t block = 0; block < cols / kA8BlockElements; ++block) {
    const float* values = from + block * kA8BlockElements;
    auto* to = reinterpret_cast<__m256i*>(quants + block * kA8BlockElements);
    const uint32_t max_bits = MaxBits(values);
    float max;
    std::memcpy(&max, &max_bits, sizeof(max));
    if (max_bits >= 0x7f800000u || max < kA8SmallestMax) {
      scales[block] = max < kA8SmallestMax ? 0.0f : __builtin_nanf("");
      sums[2 * block] = sums[2 * block + 1] = 0;
      _mm256_storeu_si256(to, _mm256_setzero_si256());
      continue;
    }
    scales[block] = max / 127.0f;
    const __m256 inverse = _mm256_set1_ps(127.0f / max);
    const __m256i low = _mm256_packs_epi32(QuantsOf(values, inverse),
                                           QuantsOf(values + 8, inverse));
    const __m256i high = _mm256_packs_epi32(QuantsOf(values + 16, inverse),
                                            QuantsOf(values + 24, inverse));
    // The packs work within 128-bit halves; put the words back in order.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i packed =
        _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(to, packed);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), packed);
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    const __m256i eights = _mm256_hadd_epi32(fours, fours);
    const __m256i halves = _mm256_hadd_epi32(eights, eights);
    sums[2 * block] =
        static_cast<int16_t>(_mm_cvtsi128_si32(_mm256_castsi256_si128(halves)));
    sums[2 * block + 1] = static_cast<int16_t>(
        _mm_cvtsi128_si32(_mm256_extracti128_si256(halves, 1)));
  }
}

void RmsNorm(const float* from, const float* weight, uint32_t count, float eps,
             float* to) {
  __m256d sums[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  for (uint32_t i = 0; i < count; i += 8) {
    const __m256 values = LoadUpTo8(from + i, count - i);
    sums[0] = AddSquares(_mm256_castps256_ps128(values), sums[0]);
    sums[1] = AddSquares(_mm256_extractf128_ps(values, 1), sums[1]);
  }
  const double sum = SumOf(_mm256_add_pd(sums[0], sums[1]));
  const __m128d mean = _mm_set_sd(sum / count + double{eps});
  const double root = _mm_cvtsd_f64(_mm_sqrt_sd(mean, mean));
  const __m256 factor = _mm256_set1_ps(static_cast<float>(1.0 / root));
  for (uint32_t i = 0; i < count; i += 8) {
    __m256 values = _mm256_mul_ps(LoadUpTo8(from + i, count - i), factor);
    if (weight != nullptr) {
      values = _mm256_mul_ps(values, LoadUpTo8(weight + i, count - i));
    }
    StoreUpTo8(values, to + i, count - i);
  }
}

void LayerNorm(const float* from, const float* weight, const float* bias,
               uint32_t count, float eps, float* to) {
  const uint32_t whole = count / 4 * 4;
  __m256d sums = _mm256_setzero_pd();
  for (uint32_t i = 0; i < whole; i += 4) {
    sums = _mm256_add_pd(sums, _mm256_cvtps_pd(_mm_loadu_ps(from + i)));
  }
  double sum = SumOf(sums);
  for (uint32_t i = whole; i < count; ++i) sum += double{from[i]};
  const double mean = sum / count;
  const __m256d means = _mm256_set1_pd(mean);
  __m256d squares = _mm256_setzero_pd();
  for (uint32_t i = 0; i < whole; i += 4) {
    const __m256d distances =
        _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(from + i)), means);
    squares = _mm256_fmadd_pd(distances, distances, squares);
  }
  double square = SumOf(squares);
  for (uint32_t i = whole; i < count; ++i) {
    square += (double{from[i]} - mean) * (double{from[i]} - mean);
  }
  const __m128d variance = _mm_set_sd(square / count + double{eps});
  const double factor = 1.0 / _mm_cvtsd_f64(_mm_sqrt_sd(variance, variance));
  const __m256d factors = _mm256_set1_pd(factor);
  for (uint32_t i = 0; i < count; i += 8) {
    const __m256 values = LoadUpTo8(from + i, count - i);
    const __m256d low =
        _mm256_sub_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(values)), means);
    const __m256d high =
        _mm256_sub_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(values, 1)), means);
    __m256 normed =
        _mm256_set_m128(_mm256_cvtpd_ps(_mm256_mul_pd(high, factors)),
                        _mm256_cvtpd_ps(_mm256_mul_pd(low, factors)));
    if (weight != nullptr) {
      normed = _mm256_mul_ps(normed, LoadUpTo8(weight + i, count - i));
    }
    if (bias != nullptr) {
      normed = _mm256_add_ps(normed, LoadUpTo8(bias + i, count - i));
    }
    StoreUpTo8(normed, to + i, count - i);
  }
}

void SiluMul(float* gate, const float* up, uint32_t count) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (uint32_t i = 0; i < count; i += 8) {
    const __m256 x = LoadUpTo8(gate + i, count - i);
    const __m256 power = Exp(_mm256_xor_ps(x, sign));
    const __m256 silu = _mm256_div_ps(x, _mm256_add_ps(one, power));
    StoreUpTo8(_mm256_mul_ps(silu, LoadUpTo8(up + i, count - i)), gate + i,
               count - i);
  }
}

void GeluMul(float* gate, const float* up, uint32_t count) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (uint32_t i = 0; i < count; i += 8) {
    const __m256 x = LoadUpTo8(gate + i, count - i);
    const __m256 cubic =
        _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(kGeluCubic), one);
    const __m256 minus_twice_u =
        _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(-kGeluScale)), cubic);
    __m256 gelu = _mm256_div_ps(x, _mm256_add_ps(one, Exp(minus_twice_u)));
    if (up != nullptr) {
      gelu = _mm256_mul_ps(gelu, LoadUpTo8(up + i, count - i));
    }
    StoreUpTo8(gelu, gate + i, count - i);
  }
}

void SwigluClamped(float* gate, const float* up, uint32_t count) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 limit = _mm256_set1_ps(kSwigluLimit);
  const __m256 lower = _mm256_set1_ps(-kSwigluLimit);
  for (uint32_t i = 0; i < count; i += 8) {
    const __m256 g = _mm256_min_ps(LoadUpTo8(gate + i, count - i), limit);
    const __m256 u = _mm256_max_ps(
        _mm256_min_ps(LoadUpTo8(up + i, count - i), limit), lower);
    const __m256 power = Exp(_mm256_mul_ps(g, _mm256_set1_ps(-kSwigluAlpha)));
    const __m256 gated = _mm256_div_ps(g, _mm256_add_ps(one, power));
    StoreUpTo8(_mm256_mul_ps(gated, _mm256_add_ps(u, one)), gate + i,
               count - i);
  }
}

void Rope(RopePairing pairing, const float* cos_sin, uint32_t rotary_dim,
          float* head) {
  if (pairing == RopePairing::kAdjacent) {
    for (uint32_t i = 0; i < rotary_dim; i += 8) {
      const uint32_t count = rotary_dim - i;
      const __m256 x = LoadUpTo8(head + i, count);
      const __m256 angles = LoadUpTo8(cos_sin + i, count);
      const __m256 cosines = _mm256_moveldup_ps(angles);
      const __m256 sines = _mm256_movehdup_ps(angles);
      const __m256 swapped = _mm256_permute_ps(x, 0xb1);
      // Even lanes: a cos - b sin; odd lanes: b cos + a sin.
      const __m256 rotated =
          _mm256_fmaddsub_ps(x, cosines, _mm256_mul_ps(swapped, sines));
      StoreUpTo8(rotated, head + i, count);
    }
    return;
  }
  const uint32_t pairs = rotary_dim / 2;
  for (uint32_t i = 0; i < pairs; i += 8) {
    const uint32_t count = pairs - i;
    const __m256 a = LoadUpTo8(head + i, count);
    const __m256 b = LoadUpTo8(head + pairs + i, count);
    const __m256 low = LoadUpTo8(cos_sin + 2 * i, 2 * count);
    const __m256 high = count > 4
                            ? LoadUpTo8(cos_sin + 2 * i + 8, 2 * count - 8)
                            : _mm256_setzero_ps();
    // Lanes 0 1 4 5 2 3 6 7 after the shuffle; the permute sorts pairs.
    const auto sorted = [](__m256 lanes) {
      return _mm256_castpd_ps(
          _mm256_permute4x64_pd(_mm256_castps_pd(lanes), 0xd8));
    };
    const __m256 cosines = sorted(_mm256_shuffle_ps(low, high, 0x88));
    const __m256 sines = sorted(_mm256_shuffle_ps(low, high, 0xdd));
    StoreUpTo8(_mm256_fmsub_ps(a, cosines, _mm256_mul_ps(b, sines)), head + i,
               count);
    StoreUpTo8(_mm256_fmadd_ps(b, cosines, _mm256_mul_ps(a, sines)),
               head + pairs + i, count);
  }
}

void F32ToF16(const float* from, uint32_t count, uint16_t* to) {
  for (uint32_t i = 0; i < count; i += 8) {
    const __m128i halfs = _mm256_cvtps_ph(LoadUpTo8(from + i, count - i),
                                          _MM_FROUND_TO_NEAREST_INT);
    const uint32_t rest = count - i < 8 ? count - i : 8;
    std::memcpy(to + i, &halfs, rest * sizeof(uint16_t));
  }
}

}  // namespace shoal::kernels::avx2
