// Pieces of the NEON products: words of 4 rows at a time. Static for the reason
// given in kernels/tile.h.

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

// Likewise, from where the words of those rows begin.
static inline uint8x16_t LoadWord(const std::byte* rows, int word) {
  return LoadWord(rows, word, 0);
}

// 16 bits of each of 4 rows.
static inline uint16x4_t LoadShorts(const std::byte* from, int quarter) {
  uint16_t shorts[4];
  std::memcpy(shorts, from + 8 * quarter, sizeof(shorts));
  return vld1_u16(shorts);
}

// 4 f16 as floats.
static inline float32x4_t LoadHalfs(const std::byte* from, int quarter) {
  return vcvt_f32_f16(vreinterpret_f16_u16(LoadShorts(from, quarter)));
}

static inline uint8x16_t LowNibbles(uint8x16_t bytes) {
  return vandq_u8(bytes, vdupq_n_u8(15));
}

// Bytes shifted right by a constant, which may be 0.
template <int kBits>
static inline uint8x16_t ShiftRight(uint8x16_t bytes) {
  if constexpr (kBits == 0) {
    return bytes;
  } else {
    return vshrq_n_u8(bytes, kBits);
  }
}

// Bytes shifted right by `bits`, 0 to 7.
static inline uint8x16_t ShiftRightBy(uint8x16_t bytes, int bits) {
  return vshlq_u8(bytes, vdupq_n_s8(static_cast<int8_t>(-bits)));
}

// Byte kIndex of each 32-bit lane, widened.
template <int kIndex>
static inline uint32x4_t ByteOfLane(uint8x16_t words) {
  const uint32x4_t lanes = vreinterpretq_u32_u8(words);
  if constexpr (kIndex == 0) {
    return vandq_u32(lanes, vdupq_n_u32(255));
  } else if constexpr (kIndex == 3) {
    return vshrq_n_u32(lanes, 24);
  } else {
    return vandq_u32(vshrq_n_u32(lanes, 8 * kIndex), vdupq_n_u32(255));
  }
}

template <int kIndex>
static inline int32x4_t SignedByteOfLane(uint8x16_t words) {
  const int32x4_t lanes = vreinterpretq_s32_u8(words);
  if constexpr (kIndex == 3) {
    return vshrq_n_s32(lanes, 24);
  } else {
    return vshrq_n_s32(vshlq_n_s32(lanes, 24 - 8 * kIndex), 24);
  }
}

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PRODUCT_NEON_H_
