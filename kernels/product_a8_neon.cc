// NEON products of quantised weights with a8 activations.
//
// As in product_a8_avx2.cc, with vectors of 4 rows: each i16 sums one byte
// position of one row, the i16 of a row are added at the end of a block. Each
// kernel says why its i16 sums fit. Activations are within [-127, 127].

#include "kernels/isa.h"
#include "kernels/neon.h"
#include "kernels/product_neon.h"
#include "kernels/scalar.h"
#include "kernels/tile.h"

namespace shoal::kernels::neon {
namespace {

// The activations of a few tokens, from one block of 32 on.
struct A8Tokens {
  const int8_t* quants;
  const float* scales;
  const int16_t* sums;
  uint64_t cols;
  uint64_t blocks;

  A8Tokens From(uint64_t block) const {
    return {quants + block * kA8BlockElements, scales + block, sums + 2 * block,
            cols, blocks};
  }
  // 4 activations, twice.
  int8x8_t Word(int token, int word) const {
    int32_t bytes;
    std::memcpy(&bytes, quants + token * cols + 4 * word, sizeof(bytes));
    return vreinterpret_s8_s32(vdup_n_s32(bytes));
  }
  float ScaleOf(int token) const { return scales[token * blocks]; }
  float SumOf(int token) const {
    const int16_t* halves = sums + 2 * token * blocks;
    return halves[0] + halves[1];
  }
};

// i16 sums of 4 rows: byte positions 0-3 of rows 0 and 1, and of 2 and 3.
struct Sums {
  int16x8_t low = vdupq_n_s16(0);
  int16x8_t high = vdupq_n_s16(0);

  void Add(int8x16_t weights, int8x8_t activations) {
    low = vmlal_s8(low, vget_low_s8(weights), activations);
    high = vmlal_s8(high, vget_high_s8(weights), activations);
  }
  int32x4_t OfRows() const {
    return vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
  }
};

// acc + sum * (weight scale * activation scale)
inline float32x4_t AddScaled(int32x4_t sum, float32x4_t scale,
                             float activation_scale, float32x4_t acc) {
  return vfmaq_f32(acc, vcvtq_f32_s32(sum),
                   vmulq_n_f32(scale, activation_scale));
}

// Each type: Dot<T>() adds the products of one block of 4 rows to the sums of
// T tokens.

// Quants -8 to 7: the 8 words of a block make at most 8 * 8 * 127 = 8128.
struct Q4_0 {
  static constexpr uint32_t kParts = 1;
  static constexpr uint32_t kBlockBytes = 18;

  template <int T>
  static inline void Dot(const std::byte* block, int quarter,
                         const A8Tokens& input, float32x4_t (&acc)[T]) {
    Sums sums[T];
    const int8x16_t eight = vdupq_n_s8(8);
    for (int w = 0; w < 4; ++w) {
      const uint8x16_t words = LoadWord(block + 32, w, quarter);
      const int8x16_t low =
          vsubq_s8(vreinterpretq_s8_u8(LowNibbles(words)), eight);
      const int8x16_t high =
          vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(words, 4)), eight);
      for (int t = 0; t < T; ++t) {
        sums[t].Add(low, input.Word(t, w));
        sums[t].Add(high, input.Word(t, 4 + w));
      }
    }
    const float32x4_t scale = LoadHalfs(block + 8 * quarter);
    for (int t = 0; t < T; ++t) {
      acc[t] = AddScaled(sums[t].OfRows(), scale, input.ScaleOf(t), acc[t]);
    }
  }
};

// Quants -128 to 127: two words make at most 2 * 128 * 127 = 32512.
struct Q8_0 {
  static constexpr uint32_t kParts = 1;
  static constexpr uint32_t kBlockBytes = 34;

  template <int T>
  static inline void Dot(const std::byte* block, int quarter,
                         const A8Tokens& input, float32x4_t (&acc)[T]) {
    int32x4_t totals[T];
    for (int t = 0; t < T; ++t) totals[t] = vdupq_n_s32(0);
    for (int w = 0; w < 8; w += 2) {
      const int8x16_t first =
          vreinterpretq_s8_u8(LoadWord(block + 32, w, quarter));
      const int8x16_t second =
          vreinterpretq_s8_u8(LoadWord(block + 32, w + 1, quarter));
      for (int t = 0; t < T; ++t) {
        Sums sums;
        sums.Add(first, input.Word(t, w));
        sums.Add(second, input.Word(t, w + 1));
        totals[t] = vaddq_s32(totals[t], sums.OfRows());
      }
    }
    const float32x4_t scale = LoadHalfs(block + 8 * quarter);
    for (int t = 0; t < T; ++t) {
      acc[t] = AddScaled(totals[t], scale, input.ScaleOf(t), acc[t]);
    }
  }
};

// Quants 0 to 15 with a minimum: the 8 words of a part make at most
// 8 * 15 * 127 = 15240.
struct Q4_K {
  static constexpr uint32_t kParts = 8;
  static constexpr uint32_t kBlockBytes = 144;

  template <int T>
  static inline void Dot(const std::byte* block, int quarter,
                         const A8Tokens& input, float32x4_t (&acc)[T]) {
    for (int part = 0; part < 8; ++part) {
      const A8Tokens from = input.From(part);
      const std::byte* words = block + 256 + part / 2 * 8 * 64;
      const int shift = part % 2 * 4;
      Sums sums[T];
      for (int w = 0; w < 8; ++w) {
        const int8x16_t quants = vreinterpretq_s8_u8(
            LowNibbles(ShiftRight(LoadWord(words, w, quarter), shift)));
        for (int t = 0; t < T; ++t) sums[t].Add(quants, from.Word(t, w));
      }
      const Q4KScale scale = ReadQ4KScale(block, part, quarter);
      for (int t = 0; t < T; ++t) {
        acc[t] =
            AddScaled(sums[t].OfRows(), scale.scale, from.ScaleOf(t), acc[t]);
        acc[t] = vfmsq_f32(acc[t], scale.min,
                           vdupq_n_f32(from.SumOf(t) * from.ScaleOf(t)));
      }
    }
  }
};

// Quants -32 to 31: the 4 words under one scale make at most 4 * 32 * 127 =
// 16256. With scales of magnitude <= 128 the 8 words of a part stay below 2^24.
struct Q6_K {
  static constexpr uint32_t kParts = 8;
  static constexpr uint32_t kBlockBytes = 210;

  template <int T>
  static inline void Dot(const std::byte* block, int quarter,
                         const A8Tokens& input, float32x4_t (&acc)[T]) {
    const float32x4_t factor = LoadHalfs(block + kQ6KFactors + 8 * quarter);
    for (int part = 0; part < 8; ++part) {
      const A8Tokens from = input.From(part);
      int32x4_t totals[T];
      for (int t = 0; t < T; ++t) totals[t] = vdupq_n_s32(0);
      for (int index = 0; index < 2; ++index) {
        Sums sums[T];
        for (int w = 4 * index; w < 4 * index + 4; ++w) {
          const int8x16_t quants = Q6KQuants(block, part, w, quarter);
          for (int t = 0; t < T; ++t) sums[t].Add(quants, from.Word(t, w));
        }
        const int32x4_t scale = Q6KScale(block, 2 * part + index, quarter);
        for (int t = 0; t < T; ++t) {
          totals[t] = vmlaq_s32(totals[t], sums[t].OfRows(), scale);
        }
      }
      for (int t = 0; t < T; ++t) {
        acc[t] = AddScaled(totals[t], factor, from.ScaleOf(t), acc[t]);
      }
    }
  }
};

// T tokens from `token` on against one tile.
template <typename Type, int T>
void DotTile(const Tile& tile, const ActivationView& input, uint32_t token,
             const ProductOutput& output, std::byte* scratch) {
  const uint64_t blocks = input.cols / kA8BlockElements;
  A8Tokens tokens = {input.quants + uint64_t{token} * input.cols,
                     input.scales + token * blocks,
                     input.sums + 2 * token * blocks, input.cols, blocks};
  float32x4_t acc[kQuarters][T];
  for (int quarter = 0; quarter < kQuarters; ++quarter) {
    for (int t = 0; t < T; ++t) acc[quarter][t] = vdupq_n_f32(0.0f);
  }
  for (uint64_t block = 0; block < blocks / Type::kParts; ++block) {
    const std::byte* data = BlockAt(tile, block, 1, Type::kBlockBytes, scratch);
    for (int quarter = 0; quarter < kQuarters; ++quarter) {
      Type::template Dot<T>(data, quarter, tokens, acc[quarter]);
    }
    tokens = tokens.From(Type::kParts);
  }
  for (int t = 0; t < T; ++t) {
    float results[kTileRows];
    for (int quarter = 0; quarter < kQuarters; ++quarter) {
      vst1q_f32(results + 4 * quarter, acc[quarter][t]);
    }
    WriteTile(tile, output, token + t, results);
  }
}

template <typename Type>
void Rows(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
          const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  alignas(64) std::byte scratch[kTileScratchBytes];
  for (uint32_t row = row_begin; row < row_end; row += kTileRows) {
    const Tile tile = TileAt(weights, entry, row, scratch);
    uint32_t token = 0;
    for (; token + 4 <= input.tokens; token += 4) {
      DotTile<Type, 4>(tile, input, token, output, scratch);
    }
    for (; token < input.tokens; ++token) {
      DotTile<Type, 1>(tile, input, token, output, scratch);
    }
  }
}

}  // namespace

void ProductA8(const WeightMatrix& weights, uint32_t row_begin,
               uint32_t row_end, const ActivationView& input,
               const ProductOutput& output) {
  switch (weights.type) {
    case WeightType::kQ4_0:
      return Rows<Q4_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ8_0:
      return Rows<Q8_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_K:
      return Rows<Q4_K>(weights, row_begin, row_end, input, output);
    case WeightType::kQ6_K:
      return Rows<Q6_K>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_1:
    case WeightType::kQ5_0:
    case WeightType::kQ5_1:
    case WeightType::kQ2_K:
    case WeightType::kQ3_K:
    case WeightType::kQ5_K:
    case WeightType::kIQ4_NL:
    case WeightType::kIQ4_XS:
    case WeightType::kMXFP4:
      return scalar::ProductTile16(weights, row_begin, row_end, input, output);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;  // excluded by CheckProductArguments()
  }
}

}  // namespace shoal::kernels::neon
