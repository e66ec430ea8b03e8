// How NEON reads the blocks of a tile of 16 rows, 4 rows ("a quarter") at a
// time: what product_a8_neon.h and product_f32_neon.cc make products of. The
// formats are described in block_decoders.cc; product_traits_k_neon.h has those
// with blocks of 256. Static for the reason given in kernels/tile.h.
//
// Each type has
//   kParts, kBlockBytes  parts of 32 elements in a block; its size for a row
//   kGroup      parts in a group; what depends on a part's place in its group
//               is known when compiling
//   kOffset, kShift<kSub>  what Quants() gives is (quant + kOffset) << kShift:
//               the products take the offset off by the sums of the activations
//               and the shift by the unit of the scales; kScales == 1: no shift
//   kSumWords   words (4 elements, so one product for each byte) whose products
//               with activations of [-127, 127] an i16 can sum: 8, 4 or 2
//   kScales     scales of a part: 1, or 2 of 16 elements each
//   kHasMin     whether the value is scale * quant - min
//   Quants<kSub>(rows, group, quants)  the 8 words of a part; rows: where the
//               block's words of the quarter's rows begin, block + 16 * quarter
//   ReadHeader(block, group, quarter)  what the scales of a group are made of
//   Scales of a part by its header:
//     kScales == 1: Scale<kSub>(header), Min<kSub>(header), floats
//     kScales == 2: Scale<kSub, k>(header), Min<kSub, k>(header), integers, of
//                   which header.factor and header.min_factor are the units

#ifndef SHOAL_KERNELS_PRODUCT_TRAITS_NEON_H_
#define SHOAL_KERNELS_PRODUCT_TRAITS_NEON_H_

#include "kernels/block_decoders.h"
#include "kernels/product_neon.h"

namespace shoal::kernels::neon {

// The words of a part, 4 rows each.
using PartQuants = int8x16_t[8];

// 4 words of nibbles: the first 16 elements in the low ones.
static inline void SplitNibbles(const std::byte* words, PartQuants& quants) {
  for (int w = 0; w < 4; ++w) {
    const uint8x16_t bytes = LoadWord(words, w);
    quants[w] = vreinterpretq_s8_u8(LowNibbles(bytes));
    quants[w + 4] = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
  }
}

// Adds 16 where the bit of an element is set; element i has bit i of a lane.
static inline void AddFifthBits(uint8x16_t bits, PartQuants& quants) {
  const uint8x16_t low = vreinterpretq_u8_u32(vdupq_n_u32(0x08040201u));
  const uint8x16_t high = vreinterpretq_u8_u32(vdupq_n_u32(0x80402010u));
  const uint8x16_t first_bytes = {0, 0, 0, 0, 4,  4,  4,  4,
                                  8, 8, 8, 8, 12, 12, 12, 12};
  const uint8x16_t sixteen = vdupq_n_u8(16);
  for (int byte = 0; byte < 4; ++byte) {
    const uint8x16_t copies = vqtbl1q_u8(
        bits, vaddq_u8(first_bytes, vdupq_n_u8(static_cast<uint8_t>(byte))));
    const uint8x16_t even = vandq_u8(vtstq_u8(copies, low), sixteen);
    const uint8x16_t odd = vandq_u8(vtstq_u8(copies, high), sixteen);
    quants[2 * byte] = vorrq_s8(quants[2 * byte], vreinterpretq_s8_u8(even));
    quants[2 * byte + 1] =
        vorrq_s8(quants[2 * byte + 1], vreinterpretq_s8_u8(odd));
  }
}

// The value of each code in a table of 16.
static inline void LookUp(const int8_t (&values)[16], PartQuants& quants) {
  const int8x16_t table = vld1q_s8(values);
  for (int w = 0; w < 8; ++w) {
    quants[w] = vqtbl1q_s8(table, vreinterpretq_u8_s8(quants[w]));
  }
}

// A header of types with one part and f16 numbers for it.
struct ScaleAndMin {
  float32x4_t scale;
  float32x4_t min;
};

struct OneScale {
  static constexpr int kParts = 1, kGroup = 1, kScales = 1;
  static constexpr bool kHasMin = false;
  template <int kSub>
  static constexpr int kShift = 0;
  using Header = ScaleAndMin;

  static Header ReadHeader(const std::byte* block, int, int quarter) {
    return {LoadHalfs(block, quarter), vdupq_n_f32(0.0f)};
  }
  template <int kSub>
  static float32x4_t Scale(const Header& header) {
    return header.scale;
  }
  template <int kSub>
  static float32x4_t Min(const Header& header) {
    return header.min;
  }
};

// With a minimum that the format adds.
struct ScaleAndAddend : OneScale {
  static constexpr bool kHasMin = true;

  static Header ReadHeader(const std::byte* block, int, int quarter) {
    return {LoadHalfs(block, quarter),
            vnegq_f32(LoadHalfs(block + 32, quarter))};
  }
};

// 8 products of at most 15 * 127 are 15240.
struct Q4_0Blocks : OneScale {
  static constexpr uint32_t kBlockBytes = 18;
  static constexpr int kOffset = 8, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 32, quants);
  }
};

struct Q4_1Blocks : ScaleAndAddend {
  static constexpr uint32_t kBlockBytes = 20;
  static constexpr int kOffset = 0, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 64, quants);
  }
};

// 8 products of at most 31 * 127 are 31496.
struct Q5_0Blocks : OneScale {
  static constexpr uint32_t kBlockBytes = 22;
  static constexpr int kOffset = 16, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 96, quants);
    AddFifthBits(LoadWord(rows + 32, 0), quants);
  }
};

struct Q5_1Blocks : ScaleAndAddend {
  static constexpr uint32_t kBlockBytes = 24;
  static constexpr int kOffset = 0, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 128, quants);
    AddFifthBits(LoadWord(rows + 64, 0), quants);
  }
};

// 2 products of at most 128 * 127 are 32512.
struct Q8_0Blocks : OneScale {
  static constexpr uint32_t kBlockBytes = 34;
  static constexpr int kOffset = 0, kSumWords = 2;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    for (int w = 0; w < 8; ++w) {
      quants[w] = vreinterpretq_s8_u8(LoadWord(rows + 32, w));
    }
  }
};

// 2 products of at most 127 * 127 are 32258.
struct IQ4_NLBlocks : OneScale {
  static constexpr uint32_t kBlockBytes = 18;
  static constexpr int kOffset = 0, kSumWords = 2;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 32, quants);
    LookUp(kIQ4Values, quants);
  }
};

// 8 products of at most 12 * 127 are 12192. The scale is 2^(exponent - 128),
// because the values in the table are doubled.
struct MXFP4Blocks : OneScale {
  static constexpr uint32_t kBlockBytes = 17;
  static constexpr int kOffset = 0, kSumWords = 8;

  template <int kSub>
  static void Quants(const std::byte* rows, int, PartQuants& quants) {
    SplitNibbles(rows + 16, quants);
    LookUp(kMXFP4Doubles, quants);
  }
  static Header ReadHeader(const std::byte* block, int, int quarter) {
    uint32_t bytes;
    std::memcpy(&bytes, block + 4 * quarter, sizeof(bytes));
    const uint8x8_t exponents = vcreate_u8(bytes);
    const uint32x4_t exponent = vmovl_u16(vget_low_u16(vmovl_u8(exponents)));
    const uint32x4_t normal =
        vshlq_n_u32(vsubq_u32(exponent, vdupq_n_u32(1)), 23);
    const uint32x4_t subnormal =
        vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(exponent));
    const uint32x4_t is_small = vcltq_u32(exponent, vdupq_n_u32(2));
    return {vreinterpretq_f32_u32(vbslq_u32(is_small, subnormal, normal)),
            vdupq_n_f32(0.0f)};
  }
};

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PRODUCT_TRAITS_NEON_H_
