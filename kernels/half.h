// Conversions of 16-bit floats, bit for bit the same everywhere.
//
// The functions are static on purpose: files that are compiled for a newer
// instruction set include this too, and a shared inline function could then
// reach a processor that does not have it.

#ifndef SHOAL_KERNELS_HALF_H_
#define SHOAL_KERNELS_HALF_H_

#include <cstdint>
#include <cstring>

namespace shoal::kernels {

static inline float FloatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

static inline uint32_t BitsOfFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// binary16 to binary32, exact; NaN becomes quiet, as the processor does it.
static inline float FloatFromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) {  // infinity, NaN
    const uint32_t quiet = magnitude > 0x7c00u ? 0x400000u : 0u;
    return FloatFromBits(sign | 0x7f800000u | quiet |
                         ((magnitude & 0x3ffu) << 13));
  }
  if (magnitude >= 0x400u) {  // normal: 112 = 127 - 15 more in the exponent
    return FloatFromBits(sign | ((magnitude << 13) + (112u << 23)));
  }
  const float value = static_cast<float>(magnitude) * 0x1p-24f;  // subnormal
  return FloatFromBits(sign | BitsOfFloat(value));
}

// binary32 to binary16, to nearest, ties to even.
static inline uint16_t HalfFromFloat(float value) {
  const uint32_t bits = BitsOfFloat(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: keep the upper payload, make quiet
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // >= 65520
  if (magnitude < 0x38800000u) {  // below 2^-14: a multiple of 2^-24
    // Adding 0.5 leaves the rounded multiple in the low bits of the sum, whose
    // unit in the last place is 2^-24.
    const float shifted = FloatFromBits(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(BitsOfFloat(shifted) - 0x3f000000u);
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  const uint32_t rounded = magnitude - (112u << 23) + 0xfffu + odd;
  return sign | static_cast<uint16_t>(rounded >> 13);
}

// Rounds to nearest, ties to even.
static inline uint16_t BfloatFromFloat(float value) {
  const uint32_t bits = BitsOfFloat(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return static_cast<uint16_t>(bits >> 16 | 0x40);  // NaN stays one
  }
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float FloatFromBfloat(uint16_t bfloat) {
  return FloatFromBits(uint32_t{bfloat} << 16);
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_HALF_H_
