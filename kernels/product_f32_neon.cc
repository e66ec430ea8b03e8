// NEON products with float activations: 32 columns of a tile are widened to
// floats [32, 16] in a small buffer, then multiplied with many tokens. Chains
// and order of sums as in product_f32_avx2.cc.

#include "kernels/isa.h"
#include "kernels/neon.h"
#include "kernels/product_neon.h"
#include "kernels/scalar.h"
#include "kernels/tile.h"

namespace shoal::kernels::neon {
namespace {

constexpr uint32_t kChunkCols = 32;
constexpr uint32_t kChunkFloats = kChunkCols * kTileRows;
// A chunk is widened once for this many tokens.
constexpr uint32_t kTokenGroup = 16;

// Each type: Widen(block, part, count, buffer) makes `count` columns of part
// `part` floats [count, 16] in `buffer`.

struct F32 {
  static constexpr uint32_t kParts = 0;  // 0: blocks of one element

  static void Widen(const std::byte* block, int, uint32_t count,
                    float* buffer) {
    std::memcpy(buffer, block, count * kTileRows * sizeof(float));
  }
};

struct F16 {
  static constexpr uint32_t kParts = 0;

  static void Widen(const std::byte* block, int, uint32_t count,
                    float* buffer) {
    for (uint32_t i = 0; i < kQuarters * count; ++i) {
      vst1q_f32(buffer + 4 * i, LoadHalfs(block + 8 * i));
    }
  }
};

struct BF16 {
  static constexpr uint32_t kParts = 0;

  static void Widen(const std::byte* block, int, uint32_t count,
                    float* buffer) {
    for (uint32_t i = 0; i < kQuarters * count; ++i) {
      uint16_t values[4];
      std::memcpy(values, block + 8 * i, sizeof(values));
      vst1q_f32(buffer + 4 * i,
                vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(values), 16)));
    }
  }
};

// Stores quants * scale - min as a column of 4 rows; two roundings, as
// Dequantize() has them.
inline void StoreColumn(int32x4_t quants, float32x4_t scale, float32x4_t min,
                        float* column) {
  vst1q_f32(column, vsubq_f32(vmulq_f32(vcvtq_f32_s32(quants), scale), min));
}

struct Q4_0 {
  static constexpr uint32_t kParts = 1;

  static void Widen(const std::byte* block, int, uint32_t, float* buffer) {
    for (int q = 0; q < kQuarters; ++q) {
      const float32x4_t scale = LoadHalfs(block + 8 * q);
      for (int i = 0; i < 32; ++i) {
        const uint8x16_t words = LoadWord(block + 32, i % 16 / 4, q);
        const uint8x16_t nibbles =
            i < 16 ? LowNibbles(words) : vshrq_n_u8(words, 4);
        const int32x4_t quants = vsubq_s32(
            vreinterpretq_s32_u32(ByteOfLane(nibbles, i % 4)), vdupq_n_s32(8));
        StoreColumn(quants, scale, vdupq_n_f32(0.0f),
                    buffer + i * kTileRows + 4 * q);
      }
    }
  }
};

struct Q8_0 {
  static constexpr uint32_t kParts = 1;

  static void Widen(const std::byte* block, int, uint32_t, float* buffer) {
    for (int q = 0; q < kQuarters; ++q) {
      const float32x4_t scale = LoadHalfs(block + 8 * q);
      for (int i = 0; i < 32; ++i) {
        StoreColumn(SignedByteOfLane(LoadWord(block + 32, i / 4, q), i % 4),
                    scale, vdupq_n_f32(0.0f), buffer + i * kTileRows + 4 * q);
      }
    }
  }
};

struct Q4_K {
  static constexpr uint32_t kParts = 8;

  static void Widen(const std::byte* block, int part, uint32_t, float* buffer) {
    const std::byte* words = block + 256 + part / 2 * 8 * 64;
    const int shift = part % 2 * 4;
    for (int q = 0; q < kQuarters; ++q) {
      const Q4KScale scale = ReadQ4KScale(block, part, q);
      for (int i = 0; i < 32; ++i) {
        const uint8x16_t nibbles =
            LowNibbles(ShiftRight(LoadWord(words, i / 4, q), shift));
        StoreColumn(vreinterpretq_s32_u32(ByteOfLane(nibbles, i % 4)),
                    scale.scale, scale.min, buffer + i * kTileRows + 4 * q);
      }
    }
  }
};

struct Q6_K {
  static constexpr uint32_t kParts = 8;

  static void Widen(const std::byte* block, int part, uint32_t, float* buffer) {
    for (int q = 0; q < kQuarters; ++q) {
      const float32x4_t factor = LoadHalfs(block + kQ6KFactors + 8 * q);
      for (int i = 0; i < 32; ++i) {
        const int32x4_t scale = Q6KScale(block, 2 * part + i / 16, q);
        const uint8x16_t words =
            vreinterpretq_u8_s8(Q6KQuants(block, part, i / 4, q));
        StoreColumn(SignedByteOfLane(words, i % 4),
                    vmulq_f32(factor, vcvtq_f32_s32(scale)), vdupq_n_f32(0.0f),
                    buffer + i * kTileRows + 4 * q);
      }
    }
  }
};

// Adds `count` columns times their activations to the sums [T, 16].
template <int T>
inline void AddColumns(const float* columns, uint32_t count,
                       const float* values, uint64_t stride, float* sums) {
  float32x4_t chunk[T][kQuarters];
  for (int t = 0; t < T; ++t) {
    for (int q = 0; q < kQuarters; ++q) chunk[t][q] = vdupq_n_f32(0.0f);
  }
  for (uint32_t i = 0; i < count; ++i) {
    for (int q = 0; q < kQuarters; ++q) {
      const float32x4_t weights = vld1q_f32(columns + i * kTileRows + 4 * q);
      for (int t = 0; t < T; ++t) {
        chunk[t][q] = vfmaq_f32(chunk[t][q], weights,
                                vdupq_n_f32(values[t * stride + i]));
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int q = 0; q < kQuarters; ++q) {
      float* sum = sums + t * kTileRows + 4 * q;
      vst1q_f32(sum, vaddq_f32(vld1q_f32(sum), chunk[t][q]));
    }
  }
}

// `tokens` (at most kTokenGroup) tokens from `token` on against one tile.
template <typename Type>
void TileTimesTokens(const Tile& tile, uint32_t block_bytes,
                     const ActivationView& input, uint32_t token,
                     uint32_t tokens, const ProductOutput& output,
                     std::byte* scratch) {
  float sums[kTokenGroup * kTileRows];
  float buffer[kChunkFloats];
  std::memset(sums, 0, sizeof(sums));
  const float* values = input.values + uint64_t{token} * input.cols;
  const std::byte* block = nullptr;
  for (uint32_t col = 0; col < input.cols; col += kChunkCols) {
    uint32_t count = input.cols - col;
    if (count > kChunkCols) count = kChunkCols;
    int part = 0;
    if constexpr (Type::kParts == 0) {
      block = BlockAt(tile, col, count, block_bytes, scratch);
    } else {
      part = static_cast<int>(col / kChunkCols % Type::kParts);
      if (part == 0) {
        block = BlockAt(tile, col / kChunkCols / Type::kParts, 1, block_bytes,
                        scratch);
      }
    }
    Type::Widen(block, part, count, buffer);
    uint32_t t = 0;
    for (; t + 4 <= tokens; t += 4) {
      AddColumns<4>(buffer, count, values + t * uint64_t{input.cols} + col,
                    input.cols, sums + t * kTileRows);
    }
    for (; t < tokens; ++t) {
      AddColumns<1>(buffer, count, values + t * uint64_t{input.cols} + col,
                    input.cols, sums + t * kTileRows);
    }
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
    const Tile tile = TileAt(weights, entry, row, scratch);
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
    case WeightType::kQ5_0:
    case WeightType::kQ5_1:
    case WeightType::kQ2_K:
    case WeightType::kQ3_K:
    case WeightType::kQ5_K:
    case WeightType::kIQ4_NL:
    case WeightType::kIQ4_XS:
    case WeightType::kMXFP4:
      return scalar::ProductTile16(weights, row_begin, row_end, input, output);
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

}  // namespace shoal::kernels::neon
