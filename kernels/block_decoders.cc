#include "kernels/block_decoders.h"

#include <cstring>

#include "kernels/half.h"

namespace shoal::kernels {
namespace {

uint8_t ByteAt(const std::byte* from, uint32_t offset) {
  return static_cast<uint8_t>(from[offset]);
}

float HalfAt(const std::byte* from, uint32_t offset) {
  uint16_t half;
  std::memcpy(&half, from + offset, sizeof(half));
  return FloatFromHalf(half);
}

// f16 scale of scales, f16 scale of mins; 8 scales and 8 mins of 6 bits in 12
// bytes. Scales and mins 0-3 are the low 6 bits of bytes 0-3 and 4-7; those of
// 4-7 have their low 4 bits in bytes 8-11 (scale low, min high nibble) and
// their upper 2 in the top bits of bytes 0-3 and 4-7.
void DecodeScalesAndMins(const std::byte* block, uint32_t part,
                         DecodedPart& out) {
  const std::byte* packed = block + 4;
  const uint32_t k = part % 4;
  int scale = ByteAt(packed, k) & 63;
  int min = ByteAt(packed, 4 + k) & 63;
  if (part >= 4) {
    scale = (ByteAt(packed, 8 + k) & 15) | ((ByteAt(packed, k) >> 6) << 4);
    min = (ByteAt(packed, 8 + k) >> 4) | ((ByteAt(packed, 4 + k) >> 6) << 4);
  }
  out.scales.fill(HalfAt(block, 0) * static_cast<float>(scale));
  out.mins.fill(HalfAt(block, 2) * static_cast<float>(min));
}

// Scale `index` (one per 16 elements) of Q3_K, -32 to 31, of 12 bytes: low 4
// bits in the low nibbles of bytes 0-7, then in the high ones; upper 2 bits in
// bytes 8-11, scales 4 k .. 4 k + 3 at bits 2 k.
int Q3KScale(const std::byte* packed, uint32_t index) {
  const uint32_t k = index / 4;
  const int low = ByteAt(packed, index % 8) >> (index / 8 * 4) & 15;
  const int upper = ByteAt(packed, 8 + index % 4) >> (2 * k) & 3;
  return (low | upper << 4) - 32;
}

}  // namespace

// f16 scale; 16 bytes: element i in the low, i + 16 in the high nibble of
// byte i, offset by 8.
void DecodeQ4_0(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(0.0f);
  for (uint32_t i = 0; i < 16; ++i) {
    const int byte = ByteAt(block, 2 + i);
    out.quants[i] = static_cast<int8_t>((byte & 15) - 8);
    out.quants[i + 16] = static_cast<int8_t>((byte >> 4) - 8);
  }
}

// f16 scale, f16 minimum (added); nibbles as Q4_0, without offset.
void DecodeQ4_1(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(-HalfAt(block, 2));
  for (uint32_t i = 0; i < 16; ++i) {
    const int byte = ByteAt(block, 4 + i);
    out.quants[i] = static_cast<int8_t>(byte & 15);
    out.quants[i + 16] = static_cast<int8_t>(byte >> 4);
  }
}

// f16 scale; 4 bytes with bit i the fifth bit of element i; nibbles as Q4_0,
// offset by 16.
void DecodeQ5_0(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(0.0f);
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    const int nibble = ByteAt(block, 6 + i % 16) >> (i / 16 * 4) & 15;
    const int fifth = ByteAt(block, 2 + i / 8) >> (i % 8) & 1;
    out.quants[i] = static_cast<int8_t>((nibble | fifth << 4) - 16);
  }
}

// f16 scale, f16 minimum (added); bits as Q5_0, without offset.
void DecodeQ5_1(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(-HalfAt(block, 2));
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    const int nibble = ByteAt(block, 8 + i % 16) >> (i / 16 * 4) & 15;
    const int fifth = ByteAt(block, 4 + i / 8) >> (i % 8) & 1;
    out.quants[i] = static_cast<int8_t>(nibble | fifth << 4);
  }
}

// f16 scale; 32 signed bytes.
void DecodeQ8_0(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(0.0f);
  std::memcpy(out.quants.data(), block + 2, kDecodedElements);
}

// 16 bytes with a scale (low nibble) and a minimum (high) for 16 elements
// each; 64 bytes of quants of 2 bits; f16 scale of scales, f16 scale of
// minima. In each half of 128 elements part p has bits 2p of the half's 32
// bytes.
void DecodeQ2_K(const std::byte* block, uint32_t part, DecodedPart& out) {
  const float d = HalfAt(block, 80), dmin = HalfAt(block, 82);
  for (uint32_t k = 0; k < 2; ++k) {
    const int packed = ByteAt(block, 2 * part + k);
    out.scales[k] = d * static_cast<float>(packed & 15);
    out.mins[k] = dmin * static_cast<float>(packed >> 4);
  }
  const std::byte* run = block + 16 + part / 4 * 32;
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    out.quants[i] = static_cast<int8_t>(ByteAt(run, i) >> (part % 4 * 2) & 3);
  }
}

// 32 bytes whose bit p belongs to part p: where it is 0 the quant is 4 less;
// 64 bytes as Q2_K; 12 bytes of scales; f16 scale of scales.
void DecodeQ3_K(const std::byte* block, uint32_t part, DecodedPart& out) {
  const float d = HalfAt(block, 108);
  for (uint32_t k = 0; k < 2; ++k) {
    const int scale = Q3KScale(block + 96, 2 * part + k);
    out.scales[k] = d * static_cast<float>(scale);
  }
  out.mins.fill(0.0f);
  const std::byte* run = block + 32 + part / 4 * 32;
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    const int low = ByteAt(run, i) >> (part % 4 * 2) & 3;
    const int upper = ByteAt(block, i) >> part & 1;
    out.quants[i] = static_cast<int8_t>((low | upper << 2) - 4);
  }
}

// Scales and mins; 4 runs of 32 bytes: low nibbles part 2k, high nibbles part
// 2k + 1.
void DecodeQ4_K(const std::byte* block, uint32_t part, DecodedPart& out) {
  DecodeScalesAndMins(block, part, out);
  const std::byte* run = block + 16 + part / 2 * 32;
  const int shift = part % 2 * 4;
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    out.quants[i] = static_cast<int8_t>((ByteAt(run, i) >> shift) & 15);
  }
}

// As Q4_K, with 32 bytes before the nibbles whose bit p is the fifth bit of
// part p.
void DecodeQ5_K(const std::byte* block, uint32_t part, DecodedPart& out) {
  DecodeScalesAndMins(block, part, out);
  const std::byte* fifths = block + 16;
  const std::byte* run = block + 48 + part / 2 * 32;
  const int shift = part % 2 * 4;
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    const int nibble = ByteAt(run, i) >> shift & 15;
    const int fifth = ByteAt(fifths, i) >> part & 1;
    out.quants[i] = static_cast<int8_t>(nibble | fifth << 4);
  }
}

// 128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 int8 scales (one per
// 16 elements), f16 scale of scales; quants offset by 32. In each half of 128
// elements, parts 0 and 1 use the low nibbles of 32 bytes each, parts 2 and 3
// the high nibbles of the same, and part p bits 2p of the half's 32 upper
// bytes.
void DecodeQ6_K(const std::byte* block, uint32_t part, DecodedPart& out) {
  const uint32_t half = part / 4, p = part % 4;
  const std::byte* low = block + half * 64 + p % 2 * 32;
  const std::byte* high = block + 128 + half * 32;
  const float d = HalfAt(block, 208);
  for (uint32_t k = 0; k < 2; ++k) {
    const auto scale = static_cast<int8_t>(ByteAt(block, 192 + 2 * part + k));
    out.scales[k] = d * static_cast<float>(scale);
  }
  out.mins.fill(0.0f);
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    const int nibble = (ByteAt(low, i) >> (p / 2 * 4)) & 15;
    const int upper = (ByteAt(high, i) >> (2 * p)) & 3;
    out.quants[i] = static_cast<int8_t>((nibble | upper << 4) - 32);
  }
}

// f16 scale; nibbles as Q4_0, which are codes.
void DecodeIQ4_NL(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(0.0f);
  for (uint32_t i = 0; i < 16; ++i) {
    const int byte = ByteAt(block, 2 + i);
    out.quants[i] = kIQ4Values[byte & 15];
    out.quants[i + 16] = kIQ4Values[byte >> 4];
  }
}

// f16 scale of scales; upper 2 bits of 8 scales in 2 bytes; their low 4 bits in
// 4 bytes; 16 bytes of codes for each part, nibbles as IQ4_NL. Scales are
// offset by 32.
void DecodeIQ4_XS(const std::byte* block, uint32_t part, DecodedPart& out) {
  const int low = ByteAt(block, 4 + part / 2) >> (part % 2 * 4) & 15;
  const int upper = ByteAt(block, 2 + part / 4) >> (part % 4 * 2) & 3;
  const int scale = (low | upper << 4) - 32;
  out.scales.fill(HalfAt(block, 0) * static_cast<float>(scale));
  out.mins.fill(0.0f);
  const std::byte* codes = block + 8 + 16 * part;
  for (uint32_t i = 0; i < 16; ++i) {
    const int byte = ByteAt(codes, i);
    out.quants[i] = kIQ4Values[byte & 15];
    out.quants[i + 16] = kIQ4Values[byte >> 4];
  }
}

// Exponent byte of a power of two (OCP Microscaling Formats 1.0, E8M0), halved
// because the values are doubled; nibbles as IQ4_NL.
void DecodeMXFP4(const std::byte* block, uint32_t, DecodedPart& out) {
  const uint32_t exponent = ByteAt(block, 0);
  // 2^(exponent - 128); the two smallest are subnormal.
  const uint32_t bits =
      exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
  out.scales.fill(FloatFromBits(bits));
  out.mins.fill(0.0f);
  for (uint32_t i = 0; i < 16; ++i) {
    const int byte = ByteAt(block, 1 + i);
    out.quants[i] = kMXFP4Doubles[byte & 15];
    out.quants[i + 16] = kMXFP4Doubles[byte >> 4];
  }
}

}  // namespace shoal::kernels
