// product_traits_neon.h for the types with blocks of 256 elements in 8 parts.

#ifndef SHOAL_KERNELS_PRODUCT_TRAITS_K_NEON_H_
#define SHOAL_KERNELS_PRODUCT_TRAITS_K_NEON_H_

#include "kernels/product_traits_neon.h"

namespace shoal::kernels::neon {

// Bits shifted left by a constant, or right by a negative one.
template <int kBits>
static inline uint8x16_t Shift(uint8x16_t bytes) {
  if constexpr (kBits > 0) {
    return vshlq_n_u8(bytes, kBits);
  } else {
    return ShiftRight<-kBits>(bytes);
  }
}

// Numbers of 2 bits, 4 in a byte: those of the last part of a group are moved
// down, the others stay where they are, which saves an instruction.
template <int kSub>
inline constexpr int kStay = kSub < 3 ? 2 * kSub : 0;

// Nibbles kNibble (0 low, 1 high) of 8 words.
template <int kNibble>
static inline void NibblesOf(const std::byte* words, PartQuants& quants) {
  for (int w = 0; w < 8; ++w) {
    const uint8x16_t bytes = LoadWord(words, w);
    quants[w] = vreinterpretq_s8_u8(kNibble == 0 ? LowNibbles(bytes)
                                                 : vshrq_n_u8(bytes, 4));
  }
}

// Adds `value` to each quant whose bit is set: bit `bit` of 8 words' bytes.
static inline void AddBits(const std::byte* words, int bit, uint8_t value,
                           PartQuants& quants) {
  const uint8x16_t mask = vdupq_n_u8(static_cast<uint8_t>(1u << bit));
  for (int w = 0; w < 8; ++w) {
    const uint8x16_t set = vtstq_u8(LoadWord(words, w), mask);
    quants[w] = vorrq_s8(quants[w],
                         vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(value))));
  }
}

// The scales and minima of Q4_K and Q5_K: 6 bits each, those of 4 parts in a
// word. type_table.cc tells how they are packed.
struct PackedScales {
  static constexpr int kParts = 8, kGroup = 4, kScales = 1;
  static constexpr bool kHasMin = true;
  template <int kSub>
  static constexpr int kShift = 0;

  struct Header {
    uint8x16_t scales, mins;
    float32x4_t factor, min_factor;
  };

  static Header ReadHeader(const std::byte* block, int group, int quarter) {
    const std::byte* packed = block + 64;
    const uint8x16_t w0 = LoadWord(packed, 0, quarter);
    const uint8x16_t w1 = LoadWord(packed, 1, quarter);
    Header header;
    header.factor = LoadHalfs(block, quarter);
    header.min_factor = LoadHalfs(block + 32, quarter);
    if (group == 0) {
      header.scales = vandq_u8(w0, vdupq_n_u8(63));
      header.mins = vandq_u8(w1, vdupq_n_u8(63));
      return header;
    }
    const uint8x16_t w2 = LoadWord(packed, 2, quarter);
    const uint8x16_t upper = vdupq_n_u8(48);
    header.scales =
        vorrq_u8(LowNibbles(w2), vandq_u8(vshrq_n_u8(w0, 2), upper));
    header.mins =
        vorrq_u8(vshrq_n_u8(w2, 4), vandq_u8(vshrq_n_u8(w1, 2), upper));
    return header;
  }
  template <int kSub>
  static float32x4_t Scale(const Header& header) {
    return vmulq_f32(header.factor,
                     vcvtq_f32_u32(ByteOfLane<kSub>(header.scales)));
  }
  template <int kSub>
  static float32x4_t Min(const Header& header) {
    return vmulq_f32(header.min_factor,
                     vcvtq_f32_u32(ByteOfLane<kSub>(header.mins)));
  }
};

struct Q4_KBlocks : PackedScales {
  static constexpr uint32_t kBlockBytes = 144;
  static constexpr int kOffset = 0, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int group, PartQuants& quants) {
    const std::byte* words = rows + 256 + (2 * group + kSub / 2) * 8 * 64;
    NibblesOf<kSub % 2>(words, quants);
  }
};

struct Q5_KBlocks : PackedScales {
  static constexpr uint32_t kBlockBytes = 176;
  static constexpr int kOffset = 0, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int group, PartQuants& quants) {
    const std::byte* words = rows + 768 + (2 * group + kSub / 2) * 8 * 64;
    NibblesOf<kSub % 2>(words, quants);
    AddBits(rows + 256, 4 * group + kSub, 16, quants);
  }
};

// A header with the scales of the 8 half parts of a group, 4 in a word.
struct HalfScales {
  uint8x16_t scales[2];
  float32x4_t factor;
};

// 4 products of at most 48 * 127 are 24384.
struct Q2_KBlocks {
  static constexpr int kParts = 8, kGroup = 4, kScales = 2;
  static constexpr uint32_t kBlockBytes = 84;
  static constexpr int kOffset = 0, kSumWords = 4;
  static constexpr bool kHasMin = true;
  template <int kSub>
  static constexpr int kShift = kStay<kSub>;

  struct Header {
    uint8x16_t scales[2], mins[2];
    float32x4_t factor, min_factor;
  };

  template <int kSub>
  static void Quants(const std::byte* rows, int group, PartQuants& quants) {
    for (int w = 0; w < 8; ++w) {
      const uint8x16_t bytes = LoadWord(rows + 256, group * 8 + w);
      quants[w] = vreinterpretq_s8_u8(
          kSub == 3 ? vshrq_n_u8(bytes, 6)
                    : vandq_u8(bytes, vdupq_n_u8(3 << kShift<kSub>)));
    }
  }
  static Header ReadHeader(const std::byte* block, int group, int quarter) {
    Header header;
    for (int i = 0; i < 2; ++i) {
      const uint8x16_t packed = LoadWord(block, 2 * group + i, quarter);
      header.scales[i] = LowNibbles(packed);
      header.mins[i] = vshrq_n_u8(packed, 4);
    }
    header.factor = LoadHalfs(block + 1280, quarter);
    header.min_factor = LoadHalfs(block + 1312, quarter);
    return header;
  }
  template <int kSub, int k>
  static int32x4_t Scale(const Header& header) {
    return vreinterpretq_s32_u32(
        ByteOfLane<kSub % 2 * 2 + k>(header.scales[kSub / 2]));
  }
  template <int kSub, int k>
  static int32x4_t Min(const Header& header) {
    return vreinterpretq_s32_u32(
        ByteOfLane<kSub % 2 * 2 + k>(header.mins[kSub / 2]));
  }
};

struct SignedHalfScales {
  static constexpr int kParts = 8, kGroup = 4, kScales = 2;
  static constexpr bool kHasMin = false;
  using Header = HalfScales;

  template <int kSub, int k>
  static int32x4_t Scale(const Header& header) {
    return SignedByteOfLane<kSub % 2 * 2 + k>(header.scales[kSub / 2]);
  }
};

// 2 products of at most 7 * 16 * 127 are 28448.
struct Q3_KBlocks : SignedHalfScales {
  static constexpr uint32_t kBlockBytes = 110;
  static constexpr int kOffset = 4, kSumWords = 2;
  template <int kSub>
  static constexpr int kShift = kStay<kSub>;

  template <int kSub>
  static void Quants(const std::byte* rows, int group, PartQuants& quants) {
    // Brings the part's bit, the upper one, to its place above the lower two.
    const int8x16_t up =
        vdupq_n_s8(static_cast<int8_t>(kShift<kSub> + 2 - (4 * group + kSub)));
    const uint8x16_t lower = vdupq_n_u8(3 << kShift<kSub>);
    const uint8x16_t all = vdupq_n_u8(7 << kShift<kSub>);
    for (int w = 0; w < 8; ++w) {
      const uint8x16_t bytes = LoadWord(rows + 512, group * 8 + w);
      const uint8x16_t low = kSub == 3 ? vshrq_n_u8(bytes, 6) : bytes;
      const uint8x16_t high = vshlq_u8(LoadWord(rows, w), up);
      quants[w] =
          vreinterpretq_s8_u8(vandq_u8(vbslq_u8(lower, low, high), all));
    }
  }
  static Header ReadHeader(const std::byte* block, int group, int quarter) {
    const std::byte* packed = block + 1536;
    const uint8x16_t upper = LoadWord(packed, 2, quarter);
    Header header;
    for (int i = 0; i < 2; ++i) {
      const uint8x16_t low =
          LowNibbles(ShiftRightBy(LoadWord(packed, i, quarter), 4 * group));
      const uint8x16_t high =
          vandq_u8(ShiftRightBy(upper, 2 * (2 * group + i)), vdupq_n_u8(3));
      header.scales[i] =
          vsubq_u8(vorrq_u8(low, vshlq_n_u8(high, 4)), vdupq_n_u8(32));
    }
    header.factor = LoadHalfs(block + 1728, quarter);
    return header;
  }
};

// 4 products of at most 63 * 127 are 32004. A part's sum of 32 products of at
// most 32 * 127, under scales of magnitude 128, stays below 2^24, so that its
// conversion to float is exact.
struct Q6_KBlocks : SignedHalfScales {
  static constexpr uint32_t kBlockBytes = 210;
  static constexpr int kOffset = 32, kSumWords = 4;
  static constexpr int kHighBits = 32 * 64;
  static constexpr int kScaleWords = kHighBits + 16 * 64;
  static constexpr int kFactors = kScaleWords + 4 * 64;

  template <int kSub>
  static constexpr int kShift = 0;

  template <int kSub>
  static void Quants(const std::byte* rows, int group, PartQuants& quants) {
    for (int w = 0; w < 8; ++w) {
      const uint8x16_t low = LoadWord(rows, group * 16 + kSub % 2 * 8 + w);
      const uint8x16_t high =
          Shift<4 - 2 * kSub>(LoadWord(rows + kHighBits, group * 8 + w));
      const uint8x16_t nibble = kSub < 2 ? low : vshrq_n_u8(low, 4);
      quants[w] = vreinterpretq_s8_u8(
          vandq_u8(vbslq_u8(vdupq_n_u8(15), nibble, high), vdupq_n_u8(63)));
    }
  }
  static Header ReadHeader(const std::byte* block, int group, int quarter) {
    const std::byte* words = block + kScaleWords;
    return {{LoadWord(words, 2 * group, quarter),
             LoadWord(words, 2 * group + 1, quarter)},
            LoadHalfs(block + kFactors, quarter)};
  }
};

// As IQ4_NL in kSumWords.
struct IQ4_XSBlocks : OneScale {
  static constexpr int kParts = 8;
  static constexpr uint32_t kBlockBytes = 136;
  static constexpr int kOffset = 0, kSumWords = 2;

  template <int kSub>
  static void Quants(const std::byte* rows, int part, PartQuants& quants) {
    SplitNibbles(rows + 128 + part * 256, quants);
    LookUp(kIQ4Values, quants);
  }
  static Header ReadHeader(const std::byte* block, int part, int quarter) {
    const uint32x4_t words =
        vreinterpretq_u32_u8(LoadWord(block + 64, 0, quarter));
    const uint32x4_t low =
        vandq_u32(vshlq_u32(words, vdupq_n_s32(-4 * part)), vdupq_n_u32(15));
    const uint32x4_t halfs = vmovl_u16(LoadShorts(block + 32, quarter));
    const uint32x4_t upper =
        vandq_u32(vshlq_u32(halfs, vdupq_n_s32(-2 * part)), vdupq_n_u32(3));
    const int32x4_t scale =
        vsubq_s32(vreinterpretq_s32_u32(vorrq_u32(low, vshlq_n_u32(upper, 4))),
                  vdupq_n_s32(32));
    return {vmulq_f32(LoadHalfs(block, quarter), vcvtq_f32_s32(scale)),
            vdupq_n_f32(0.0f)};
  }
};

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PRODUCT_TRAITS_K_NEON_H_
