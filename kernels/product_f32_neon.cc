// NEON products with float activations: 32 columns of a tile are widened to
// floats [32, 16] in a small buffer, then multiplied with many tokens. Chains
// and order of sums as in product_f32_avx2.cc.

#include "kernels/isa.h"
#include "kernels/neon.h"
#include "kernels/product_traits_k_neon.h"
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
      vst1q_f32(buffer + 4 * i, LoadHalfs(block, i));
    }
  }
};

struct BF16 {
  static constexpr uint32_t kParts = 0;

  static void Widen(const std::byte* block, int, uint32_t count,
                    float* buffer) {
    for (uint32_t i = 0; i < kQuarters * count; ++i) {
      const uint16x4_t values = LoadShorts(block, i);
      vst1q_f32(buffer + 4 * i, vreinterpretq_f32_u32(vshll_n_u16(values, 16)));
    }
  }
};

// The quantised types, after product_traits_neon.h.
template <typename Blocks>
struct Quantised {
  static constexpr uint32_t kParts = Blocks::kParts;

  static void Widen(const std::byte* block, int part, uint32_t, float* buffer) {
    const int group = part / Blocks::kGroup;
    for (int quarter = 0; quarter < kQuarters; ++quarter) {
      WidenSub<0>(block, group, part % Blocks::kGroup, quarter,
                  buffer + 4 * quarter);
    }
  }

 private:
  // Makes what is known only now, the part's place `sub` in its group, known
  // when compiling.
  template <int kSub>
  static void WidenSub(const std::byte* block, int group, int sub, int quarter,
                       float* buffer) {
    if constexpr (kSub + 1 < Blocks::kGroup) {
      if (sub != kSub) {
        return WidenSub<kSub + 1>(block, group, sub, quarter, buffer);
      }
    }
    const typename Blocks::Header header =
        Blocks::ReadHeader(block, group, quarter);
    PartQuants quants;
    Blocks::template Quants<kSub>(block + 16 * quarter, group, quants);
    const float32x4_t none = vdupq_n_f32(0.0f);
    if constexpr (Blocks::kScales == 1) {
      const float32x4_t scale = Blocks::template Scale<kSub>(header);
      const float32x4_t min =
          Blocks::kHasMin ? Blocks::template Min<kSub>(header) : none;
      StoreWords<kSub>(quants, 0, 8, scale, min, buffer);
    } else {
      float32x4_t mins[2] = {none, none};
      if constexpr (Blocks::kHasMin) {
        mins[0] =
            Times(header.min_factor, Blocks::template Min<kSub, 0>(header));
        mins[1] =
            Times(header.min_factor, Blocks::template Min<kSub, 1>(header));
      }
      StoreWords<kSub>(
          quants, 0, 4,
          Times(header.factor, Blocks::template Scale<kSub, 0>(header)),
          mins[0], buffer);
      StoreWords<kSub>(
          quants, 4, 8,
          Times(header.factor, Blocks::template Scale<kSub, 1>(header)),
          mins[1], buffer);
    }
  }

  static float32x4_t Times(float32x4_t factor, int32x4_t number) {
    return vmulq_f32(factor, vcvtq_f32_s32(number));
  }

  // Stores quant * scale - min for the elements of words [first, past); two
  // roundings, as Dequantize() has them.
  template <int kSub>
  static void StoreWords(const PartQuants& quants, int first, int past,
                         float32x4_t scale, float32x4_t min, float* buffer) {
    const auto store = [&](int32x4_t raw, int element) {
      const int32x4_t shift = vdupq_n_s32(-Blocks::template kShift<kSub>);
      const int32x4_t quant =
          vsubq_s32(vshlq_s32(raw, shift), vdupq_n_s32(Blocks::kOffset));
      vst1q_f32(buffer + element * kTileRows,
                vsubq_f32(vmulq_f32(vcvtq_f32_s32(quant), scale), min));
    };
    for (int w = first; w < past; ++w) {
      const uint8x16_t word = vreinterpretq_u8_s8(quants[w]);
      store(SignedByteOfLane<0>(word), 4 * w);
      store(SignedByteOfLane<1>(word), 4 * w + 1);
      store(SignedByteOfLane<2>(word), 4 * w + 2);
      store(SignedByteOfLane<3>(word), 4 * w + 3);
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
      return Rows<Quantised<Q4_0Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ4_1:
      return Rows<Quantised<Q4_1Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ5_0:
      return Rows<Quantised<Q5_0Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ5_1:
      return Rows<Quantised<Q5_1Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ8_0:
      return Rows<Quantised<Q8_0Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ2_K:
      return Rows<Quantised<Q2_KBlocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ3_K:
      return Rows<Quantised<Q3_KBlocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ4_K:
      return Rows<Quantised<Q4_KBlocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ5_K:
      return Rows<Quantised<Q5_KBlocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kQ6_K:
      return Rows<Quantised<Q6_KBlocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kIQ4_NL:
      return Rows<Quantised<IQ4_NLBlocks>>(weights, row_begin, row_end, input,
                                           output);
    case WeightType::kIQ4_XS:
      return Rows<Quantised<IQ4_XSBlocks>>(weights, row_begin, row_end, input,
                                           output);
    case WeightType::kMXFP4:
      return Rows<Quantised<MXFP4Blocks>>(weights, row_begin, row_end, input,
                                          output);
  }
}

}  // namespace shoal::kernels::neon
