// AVX2 products with float activations: 32 columns of a tile are widened to
// floats [32, 16] in a small buffer, then multiplied with many tokens.
//
// Each token and row has one chain of multiply-adds within 32 columns and one
// sum over these, in order; so the error grows with cols / 32, not with cols.

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/product_avx2.h"
#include "kernels/product_traits_avx2.h"
#include "kernels/tile.h"

namespace shoal::kernels::avx2 {
namespace {

constexpr uint32_t kChunkCols = 32;
constexpr uint32_t kChunkFloats = kChunkCols * kTileRows;
// A chunk is widened once for this many tokens.
constexpr uint32_t kTokenGroup = 16;

// Each type: Columns(block, part, count, buffer) returns `count` columns of
// part `part` as floats [count, 16], in `buffer` or where they lie.

// Types of one element: Values(values, i) returns 8 rows of them, half i % 2 of
// column i / 2.
template <typename Type>
struct OneElement {
  static constexpr uint32_t kParts = 0;  // 0: blocks of one element

  static const float* Columns(const std::byte* block, int, uint32_t count,
                              float* buffer) {
    for (uint32_t i = 0; i < 2 * count; ++i) {
      _mm256_store_ps(buffer + 8 * i, Type::Values(block, i));
    }
    return buffer;
  }
};

struct F32 : OneElement<F32> {
  static __m256 Values(const std::byte* values, uint32_t i) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(values) + 8 * i);
  }
  static const float* Columns(const std::byte* block, int, uint32_t, float*) {
    return reinterpret_cast<const float*>(block);
  }
};

struct F16 : OneElement<F16> {
  static __m256 Values(const std::byte* values, uint32_t i) {
    return LoadHalfs(values + 16 * i);
  }
};

struct BF16 : OneElement<BF16> {
  static __m256 Values(const std::byte* values, uint32_t i) {
    const __m128i upper =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 16 * i));
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
  }
};

// Stores quants (i32) * scale - min as a column of 8 rows; two roundings, as
// Dequantize() has them.
inline void StoreColumn(__m256i quants, __m256 scale, __m256 min,
                        float* column) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(quants), scale);
  _mm256_store_ps(column, _mm256_sub_ps(product, min));
}

struct Q4_0 {
  static constexpr uint32_t kParts = 1;

  static const float* Columns(const std::byte* block, int, uint32_t,
                              float* buffer) {
    for (int h = 0; h < kHalves; ++h) {
      const __m256 scale = LoadHalfs(block + 16 * h);
      for (int i = 0; i < 32; ++i) {
        const __m256i byte =
            ByteOfLane(LoadWord(block + 32, i % 16 / 4, h), i % 4);
        const __m256i nibble =
            i < 16 ? And15(byte) : _mm256_srli_epi32(byte, 4);
        StoreColumn(_mm256_sub_epi32(nibble, _mm256_set1_epi32(8)), scale,
                    _mm256_setzero_ps(), buffer + i * kTileRows + 8 * h);
      }
    }
    return buffer;
  }
};

struct Q8_0 {
  static constexpr uint32_t kParts = 1;

  static const float* Columns(const std::byte* block, int, uint32_t,
                              float* buffer) {
    for (int h = 0; h < kHalves; ++h) {
      const __m256 scale = LoadHalfs(block + 16 * h);
      for (int i = 0; i < 32; ++i) {
        const __m256i quants =
            SignedByteOfLane(LoadWord(block + 32, i / 4, h), i % 4);
        StoreColumn(quants, scale, _mm256_setzero_ps(),
                    buffer + i * kTileRows + 8 * h);
      }
    }
    return buffer;
  }
};

struct Q4_K {
  static constexpr uint32_t kParts = 8;

  static const float* Columns(const std::byte* block, int part, uint32_t,
                              float* buffer) {
    const std::byte* words = block + 256 + part / 2 * 8 * 64;
    const __m128i shift = _mm_cvtsi32_si128(part % 2 * 4);
    for (int h = 0; h < kHalves; ++h) {
      __m256 scale, min;
      ReadQ4KScale(block, part, h, scale, min);
      for (int i = 0; i < 32; ++i) {
        const __m256i byte = ByteOfLane(LoadWord(words, i / 4, h), i % 4);
        StoreColumn(And15(_mm256_srl_epi32(byte, shift)), scale, min,
                    buffer + i * kTileRows + 8 * h);
      }
    }
    return buffer;
  }
};

struct Q6_K {
  static constexpr uint32_t kParts = 8;

  static const float* Columns(const std::byte* block, int part, uint32_t,
                              float* buffer) {
    for (int h = 0; h < kHalves; ++h) {
      const __m256 factor = LoadHalfs(block + kQ6KFactors + 16 * h);
      for (int i = 0; i < 32; ++i) {
        const __m256i scale = Q6KScale(block, 2 * part + i / 16, h);
        const __m256i quants =
            SignedByteOfLane(Q6KQuants(block, part, i / 4, h), i % 4);
        StoreColumn(quants, _mm256_mul_ps(factor, _mm256_cvtepi32_ps(scale)),
                    _mm256_setzero_ps(), buffer + i * kTileRows + 8 * h);
      }
    }
    return buffer;
  }
};

// The other types, after product_traits_avx2.h.
template <typename Blocks>
struct ByTraits {
  static constexpr uint32_t kParts = Blocks::kParts;

  static const float* Columns(const std::byte* block, int part, uint32_t,
                              float* buffer) {
    for (int h = 0; h < kHalves; ++h) {
      __m256 scales[2], mins[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
      Blocks::ReadScales(block, part, h, scales, mins);
      for (int i = 0; i < 32; ++i) {
        const int k = i * Blocks::kScales / 32;
        const __m256i quants = _mm256_sub_epi32(
            SignedByteOfLane(Blocks::Quants(block, part, i / 4, h), i % 4),
            _mm256_set1_epi32(Blocks::kOffset));
        StoreColumn(quants, scales[k], mins[k], buffer + i * kTileRows + 8 * h);
      }
    }
    return buffer;
  }
};

// Adds `count` columns times their activations to the sums [T, 16].
template <int T>
inline void AddColumns(const float* columns, uint32_t count,
                       const float* values, uint64_t stride, float* sums) {
  __m256 chunk[T][kHalves];
  for (int t = 0; t < T; ++t) {
    for (int h = 0; h < kHalves; ++h) chunk[t][h] = _mm256_setzero_ps();
  }
  for (uint32_t i = 0; i < count; ++i) {
    const __m256 first = _mm256_loadu_ps(columns + i * kTileRows);
    const __m256 second = _mm256_loadu_ps(columns + i * kTileRows + 8);
    for (int t = 0; t < T; ++t) {
      const __m256 value = _mm256_set1_ps(values[t * stride + i]);
      chunk[t][0] = _mm256_fmadd_ps(first, value, chunk[t][0]);
      chunk[t][1] = _mm256_fmadd_ps(second, value, chunk[t][1]);
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int h = 0; h < kHalves; ++h) {
      float* sum = sums + t * kTileRows + 8 * h;
      _mm256_store_ps(sum, _mm256_add_ps(_mm256_load_ps(sum), chunk[t][h]));
    }
  }
}

inline void AddColumnsToAll(const float* columns, uint32_t count,
                            const float* values, uint64_t stride,
                            uint32_t tokens, float* sums) {
  uint32_t token = 0;
  for (; token + 4 <= tokens; token += 4) {
    AddColumns<4>(columns, count, values + token * stride, stride,
                  sums + token * kTileRows);
  }
  const float* rest = values + token * stride;
  float* rest_sums = sums + token * kTileRows;
  if (tokens - token == 3)
    AddColumns<3>(columns, count, rest, stride, rest_sums);
  if (tokens - token == 2)
    AddColumns<2>(columns, count, rest, stride, rest_sums);
  if (tokens - token == 1)
    AddColumns<1>(columns, count, rest, stride, rest_sums);
}

// The same for `count` columns of one token, which are used once: they need no
// place as floats.
template <typename Type>
inline void AddValues(const std::byte* block, uint32_t count,
                      const float* values, float* sums) {
  __m256 chunk[kHalves] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
#pragma GCC unroll 4
  for (uint32_t i = 0; i < count; ++i) {
    const __m256 value = _mm256_set1_ps(values[i]);
    chunk[0] = _mm256_fmadd_ps(Type::Values(block, 2 * i), value, chunk[0]);
    chunk[1] = _mm256_fmadd_ps(Type::Values(block, 2 * i + 1), value, chunk[1]);
  }
  for (int h = 0; h < kHalves; ++h) {
    float* sum = sums + 8 * h;
    _mm256_store_ps(sum, _mm256_add_ps(_mm256_load_ps(sum), chunk[h]));
  }
}

// `tokens` (at most kTokenGroup) tokens from `token` on against one tile.
template <typename Type>
void TileTimesTokens(const Tile& tile, uint32_t block_bytes,
                     const ActivationView& input, uint32_t token,
                     uint32_t tokens, const ProductOutput& output,
                     std::byte* scratch) {
  alignas(32) float sums[kTokenGroup * kTileRows];
  alignas(32) float buffer[kChunkFloats];
  std::memset(sums, 0, sizeof(sums));
  const float* values = input.values + uint64_t{token} * input.cols;
  const std::byte* block = nullptr;
  for (uint32_t col = 0; col < input.cols; col += kChunkCols) {
    uint32_t count = input.cols - col;
    if (count > kChunkCols) count = kChunkCols;
    int part = 0;
    if constexpr (Type::kParts == 0) {
      block = BlockAt(tile, col, count, block_bytes, scratch);
      if (tokens == 1) {
        AddValues<Type>(block, count, values + col, sums);
        continue;
      }
    } else {
      part = static_cast<int>(col / kChunkCols % Type::kParts);
      if (part == 0) {
        block = BlockAt(tile, col / kChunkCols / Type::kParts, 1, block_bytes,
                        scratch);
      }
    }
    const float* columns = Type::Columns(block, part, count, buffer);
    AddColumnsToAll(columns, count, values + col, input.cols, tokens, sums);
  }
  for (uint32_t t = 0; t < tokens; ++t) {
    WriteTile(tile, output, token + t, sums + t * kTileRows);
  }
}

template <typename Type>
void Rows(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
          const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  alignas(64) std::byte scratch[kTileScratchBytes];
  for (uint32_t row = row_begin; row < row_end; row += kTileRows) {
    const Tile tile = TileAt(weights, entry, row, row_end, scratch);
    for (uint32_t token = 0; token < input.tokens; token += kTokenGroup) {
      uint32_t tokens = input.tokens - token;
      if (tokens > kTokenGroup) tokens = kTokenGroup;
      TileTimesTokens<Type>(tile, entry.info.block_bytes, input, token, tokens,
                            output, scratch);
    }
  }
}

}  // namespace

void ProductF32(const WeightMatrix& weights, uint32_t row_begin,
                uint32_t row_end, const ActivationView& input,
                const ProductOutput& output) {
  switch (weights.type) {
    case WeightType::kF32:
      return Rows<F32>(weights, row_begin, row_end, input, output);
    case WeightType::kF16:
      return Rows<F16>(weights, row_begin, row_end, input, output);
    case WeightType::kBF16:
      return Rows<BF16>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_0:
      return Rows<Q4_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ8_0:
      return Rows<Q8_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_K:
      return Rows<Q4_K>(weights, row_begin, row_end, input, output);
    case WeightType::kQ6_K:
      return Rows<Q6_K>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_1:
      return Rows<ByTraits<Q4_1Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ5_0:
      return Rows<ByTraits<Q5_0Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ5_1:
      return Rows<ByTraits<Q5_1Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ2_K:
      return Rows<ByTraits<Q2_KBlocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ3_K:
      return Rows<ByTraits<Q3_KBlocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ5_K:
      return Rows<ByTraits<Q5_KBlocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kIQ4_NL:
      return Rows<ByTraits<IQ4_NLBlocks>>(weights, row_begin, row_end, input,
                                          output);
    case WeightType::kIQ4_XS:
      return Rows<ByTraits<IQ4_XSBlocks>>(weights, row_begin, row_end, input,
                                          output);
    case WeightType::kMXFP4:
      return Rows<ByTraits<MXFP4Blocks>>(weights, row_begin, row_end, input,
                                         output);
  }
}

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  if (input.encoding == Encoding::kA8) {
    ProductA8(weights, row_begin, row_end, input, output);
  } else {
    ProductF32(weights, row_begin, row_end, input, output);
  }
}

}  // namespace shoal::kernels::avx2
