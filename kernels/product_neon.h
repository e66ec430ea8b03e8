// Pieces of the NEON products: words of 4 rows at a time.

#ifndef SHOAL_KERNELS_PRODUCT_NEON_H_
#define SHOAL_KERNELS_PRODUCT_NEON_H_

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shoal::kernels::neon {

// 16 rows are four vectors of 4 lanes of 32 bits.
inline constexpr int kQuarters = 4;

// Word `word` (4 bytes a row) of rows 4 quarter .. 4 quarter + 3.
static inline uint8x16_t LoadWord(const std::byte* words, int word,
                                  int quarter) {
  return vld1q_u8(reinterpret_cast<const uint8_t*>(words) + word * 64 +
                  quarter * 16);
}

// 4 f16 as floats.
static inline float32x4_t LoadHalfs(const std::byte* from) {
  uint16_t halfs[4];
  std::memcpy(halfs, from, sizeof(halfs));
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halfs)));
}

static inline uint8x16_t LowNibbles(uint8x16_t bytes) {
  return vandq_u8(bytes, vdupq_n_u8(15));
}

// Bytes shifted right by `shift` bits, 0 to 7.
static inline uint8x16_t ShiftRight(uint8x16_t bytes, int shift) {
  return vshlq_u8(bytes, vdupq_n_s8(static_cast<int8_t>(-shift)));
}

// Byte `index` of each 32-bit lane, widened.
static inline uint32x4_t ByteOfLane(uint8x16_t words, int index) {
  const uint32x4_t lanes = vreinterpretq_u32_u8(words);
  return vandq_u32(vshlq_u32(lanes, vdupq_n_s32(-8 * index)), vdupq_n_u32(255));
}

static inline int32x4_t SignedByteOfLane(uint8x16_t words, int index) {
  const int32x4_t lanes = vreinterpretq_s32_u8(words);
  return vshrq_n_s32(vshlq_s32(lanes, vdupq_n_s32(24 - 8 * index)), 24);
}

// Scale and minimum of one part of a Q4_K block, multiplied out, for 4 rows.
// type_table.cc tells how the 6-bit numbers are packed.
struct Q4KScale {
  float32x4_t scale;
  float32x4_t min;
};

static inline Q4KScale ReadQ4KScale(const std::byte* block, int part,
                                    int quarter) {
  const std::byte* packed = block + 64;
  const uint8x16_t w0 = LoadWord(packed, 0, quarter);
  const uint8x16_t w1 = LoadWord(packed, 1, quarter);
  uint8x16_t scales = vandq_u8(w0, vdupq_n_u8(63));
  uint8x16_t mins = vandq_u8(w1, vdupq_n_u8(63));
  if (part >= 4) {
    const uint8x16_t w2 = LoadWord(packed, 2, quarter);
    const uint8x16_t upper = vdupq_n_u8(48);
    scales = vorrq_u8(LowNibbles(w2), vandq_u8(vshrq_n_u8(w0, 2), upper));
    mins = vorrq_u8(vshrq_n_u8(w2, 4), vandq_u8(vshrq_n_u8(w1, 2), upper));
  }
  const float32x4_t d = LoadHalfs(block + quarter * 8);
  const float32x4_t dmin = LoadHalfs(block + 32 + quarter * 8);
  return {vmulq_f32(d, vcvtq_f32_u32(ByteOfLane(scales, part % 4))),
          vmulq_f32(dmin, vcvtq_f32_u32(ByteOfLane(mins, part % 4)))};
}

// A Q6_K block of 16 rows: 32 words of low bits, 16 of high bits, 4 of scales,
// then the f16 factors.
inline constexpr int kQ6KHighBits = 32 * 64;
inline constexpr int kQ6KScales = kQ6KHighBits + 16 * 64;
inline constexpr int kQ6KFactors = kQ6KScales + 4 * 64;

// Quants 4 word .. 4 word + 3 of a part, -32 to 31.
static inline int8x16_t Q6KQuants(const std::byte* block, int part, int word,
                                  int quarter) {
  const int group = part / 4, p = part % 4;
  const uint8x16_t low =
      LoadWord(block, group * 16 + p % 2 * 8 + word, quarter);
  const uint8x16_t high =
      LoadWord(block + kQ6KHighBits, group * 8 + word, quarter);
  const uint8x16_t low4 = LowNibbles(ShiftRight(low, p / 2 * 4));
  const uint8x16_t high2 = vandq_u8(ShiftRight(high, 2 * p), vdupq_n_u8(3));
  const uint8x16_t quants = vorrq_u8(low4, vshlq_n_u8(high2, 4));
  return vsubq_s8(vreinterpretq_s8_u8(quants), vdupq_n_s8(32));
}

// Scale `index` (one per 16 elements) of 4 rows.
static inline int32x4_t Q6KScale(const std::byte* block, int index,
                                 int quarter) {
  return SignedByteOfLane(LoadWord(block + kQ6KScales, index / 4, quarter),
                          index % 4);
}

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PRODUCT_NEON_H_
