// AVX2 attention: the online softmax of attention_scalar.cc, 8 lanes wide.

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/math_avx2.h"

namespace shoal::kernels::avx2 {
namespace {

constexpr uint32_t kLanes = 8;

struct KvF32 {
  static __m256 Load(const std::byte* from, uint64_t element) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(from) + element);
  }
  static __m256 LoadUpTo(const std::byte* from, uint64_t element,
                         uint32_t count) {
    return LoadUpTo8(reinterpret_cast<const float*>(from) + element, count);
  }
};

struct KvF16 {
  static __m256 Load(const std::byte* from, uint64_t element) {
    return _mm256_cvtph_ps(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * element)));
  }
  static __m256 LoadUpTo(const std::byte* from, uint64_t element,
                         uint32_t count) {
    if (count >= kLanes) return Load(from, element);
    alignas(16) uint16_t halfs[kLanes] = {};
    std::memcpy(halfs, from + 2 * element, count * sizeof(uint16_t));
    return _mm256_cvtph_ps(
        _mm_load_si128(reinterpret_cast<const __m128i*>(halfs)));
  }
};

// q . k of one slot: two chains of 8 lanes, then the lanes in a fixed order.
template <typename Kv>
float Dot(const float* query, const std::byte* keys, uint64_t first,
          uint32_t dim) {
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  uint32_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(query + i),
                              Kv::Load(keys, first + i), sums[0]);
    sums[1] = _mm256_fmadd_ps(_mm256_loadu_ps(query + i + kLanes),
                              Kv::Load(keys, first + i + kLanes), sums[1]);
  }
  for (; i < dim; i += kLanes) {
    sums[0] = _mm256_fmadd_ps(LoadUpTo8(query + i, dim - i),
                              Kv::LoadUpTo(keys, first + i, dim - i), sums[0]);
  }
  return SumLanes(_mm256_add_ps(sums[0], sums[1]));
}

// out[8 N] = out * rescale + sum over slots of weight * value.
template <typename Kv, int N>
void AddValues(const std::byte* values, uint64_t element, uint32_t stride,
               uint32_t first, uint32_t past, const float* weights,
               __m256 rescale, float* out) {
  __m256 sums[N];
  for (int n = 0; n < N; ++n) {
    sums[n] = _mm256_mul_ps(_mm256_loadu_ps(out + n * kLanes), rescale);
  }
  for (uint32_t slot = first; slot < past; ++slot) {
    const __m256 weight = _mm256_set1_ps(weights[slot]);
    for (int n = 0; n < N; ++n) {
      const uint64_t at = element + uint64_t{slot} * stride + n * kLanes;
      sums[n] = _mm256_fmadd_ps(weight, Kv::Load(values, at), sums[n]);
    }
  }
  for (int n = 0; n < N; ++n) _mm256_storeu_ps(out + n * kLanes, sums[n]);
}

template <typename Kv>
void AddTail(const std::byte* values, uint64_t element, uint32_t stride,
             uint32_t first, uint32_t past, const float* weights,
             __m256 rescale, float* out, uint32_t count) {
  __m256 sum = _mm256_mul_ps(LoadUpTo8(out, count), rescale);
  for (uint32_t slot = first; slot < past; ++slot) {
    const uint64_t at = element + uint64_t{slot} * stride;
    sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[slot]),
                          Kv::LoadUpTo(values, at, count), sum);
  }
  StoreUpTo8(sum, out, count);
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
  __m256 Take(float* scores) {
    __m256 block_max = _mm256_load_ps(scores);
    for (uint32_t i = kLanes; i < kKvPagePositions; i += kLanes) {
      block_max = _mm256_max_ps(block_max, _mm256_load_ps(scores + i));
    }
    const float largest = MaxLane(block_max);
    const float new_max = largest > max ? largest : max;
    const __m256 rescale = Exp(_mm256_set1_ps(max - new_max));
    max = new_max;
    __m256 block_sum = _mm256_setzero_ps();
    for (uint32_t i = 0; i < kKvPagePositions; i += kLanes) {
      const __m256 weights =
          Exp(_mm256_sub_ps(_mm256_load_ps(scores + i), _mm256_set1_ps(max)));
      _mm256_store_ps(scores + i, weights);
      block_sum = _mm256_add_ps(block_sum, weights);
    }
    sum = sum * _mm256_cvtss_f32(rescale) + SumLanes(block_sum);
    return rescale;
  }
};

// cap * tanh(score / cap); tanh(y) = 1 - 2 / (1 + e^(2 y)).
void CapScores(float cap, uint32_t first, uint32_t past, float* scores) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (uint32_t i = 0; i < kKvPagePositions; i += kLanes) {
    const __m256 power = Exp(
        _mm256_mul_ps(_mm256_load_ps(scores + i), _mm256_set1_ps(2.0f / cap)));
    const __m256 rest =
        _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(one, power));
    _mm256_store_ps(scores + i, _mm256_mul_ps(_mm256_set1_ps(cap),
                                              _mm256_sub_ps(one, rest)));
  }
  for (uint32_t i = 0; i < first; ++i) scores[i] = -__builtin_inff();
  for (uint32_t i = past; i < kKvPagePositions; ++i) {
    scores[i] = -__builtin_inff();
  }
}

template <typename Kv>
void Run(const AttentionArgs& args, float* out) {
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
    alignas(32) float weights[kKvPagePositions];
    for (float& weight : weights) weight = -__builtin_inff();
    for (uint32_t slot = first; slot < past; ++slot) {
      weights[slot] = Dot<Kv>(args.query, page, uint64_t{slot} * args.key_dim,
                              args.key_dim) *
                      args.scale;
    }
    if (args.score_cap != 0.0f) {
      CapScores(args.score_cap, first, past, weights);
    }
    const __m256 rescale = softmax.Take(weights);
    const uint64_t values = uint64_t{kKvPagePositions} * args.key_dim;
    const uint32_t dim = args.value_dim;
    uint32_t i = 0;
    for (; i + 4 * kLanes <= dim; i += 4 * kLanes) {
      AddValues<Kv, 4>(page, values + i, dim, first, past, weights, rescale,
                       out + i);
    }
    for (; i + kLanes <= dim; i += kLanes) {
      AddValues<Kv, 1>(page, values + i, dim, first, past, weights, rescale,
                       out + i);
    }
    if (i < dim) {
      AddTail<Kv>(page, values + i, dim, first, past, weights, rescale, out + i,
                  dim - i);
    }
  }
  for (uint32_t i = 0; i < args.value_dim; ++i) out[i] /= softmax.sum;
}

}  // namespace

void Attention(const AttentionArgs& args, float* out) {
  CheckAttentionArguments(args);
  if (args.kv_type == KvType::kF32) {
    Run<KvF32>(args, out);
  } else {
    Run<KvF16>(args, out);
  }
}

}  // namespace shoal::kernels::avx2
