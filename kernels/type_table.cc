#include "kernels/type_table.h"

#include <cstring>

#include "base/check.h"
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

void WidenF32(const std::byte* from, uint64_t count, float* to) {
  std::memcpy(to, from, count * sizeof(float));
}

void WidenF16(const std::byte* from, uint64_t count, float* to) {
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, from + 2 * i, sizeof(half));
    to[i] = FloatFromHalf(half);
  }
}

void WidenBF16(const std::byte* from, uint64_t count, float* to) {
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t bfloat;
    std::memcpy(&bfloat, from + 2 * i, sizeof(bfloat));
    to[i] = FloatFromBfloat(bfloat);
  }
}

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

// f16 scale; 32 signed bytes.
void DecodeQ8_0(const std::byte* block, uint32_t, DecodedPart& out) {
  out.scales.fill(HalfAt(block, 0));
  out.mins.fill(0.0f);
  std::memcpy(out.quants.data(), block + 2, kDecodedElements);
}

// f16 scale of scales, f16 scale of mins; 8 scales and 8 mins of 6 bits in 12
// bytes; 4 runs of 32 bytes: low nibbles part 2k, high nibbles part 2k + 1.
// Scales and mins 0-3 are the low 6 bits of bytes 0-3 and 4-7; those of 4-7
// have their low 4 bits in bytes 8-11 (scale low, min high nibble) and their
// upper 2 in the top bits of bytes 0-3 and 4-7.
void DecodeQ4_K(const std::byte* block, uint32_t part, DecodedPart& out) {
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
  const std::byte* run = block + 16 + part / 2 * 32;
  const int shift = part % 2 * 4;
  for (uint32_t i = 0; i < kDecodedElements; ++i) {
    out.quants[i] = static_cast<int8_t>((ByteAt(run, i) >> shift) & 15);
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

constexpr std::array<TypeEntry, 7> kTypes = {{
    {{WeightType::kF32, "F32", 1, 4, Encoding::kF32},
     {{{1, 4}}},
     nullptr,
     WidenF32},
    {{WeightType::kF16, "F16", 1, 2, Encoding::kF32},
     {{{1, 2}}},
     nullptr,
     WidenF16},
    {{WeightType::kQ4_0, "Q4_0", 32, 18, Encoding::kA8},
     {{{1, 2}, {4, 4}}},
     DecodeQ4_0,
     nullptr},
    {{WeightType::kQ8_0, "Q8_0", 32, 34, Encoding::kA8},
     {{{1, 2}, {8, 4}}},
     DecodeQ8_0,
     nullptr},
    {{WeightType::kQ4_K, "Q4_K", 256, 144, Encoding::kA8},
     {{{2, 2}, {3, 4}, {32, 4}}},
     DecodeQ4_K,
     nullptr},
    {{WeightType::kQ6_K, "Q6_K", 256, 210, Encoding::kA8},
     {{{32, 4}, {16, 4}, {4, 4}, {1, 2}}},
     DecodeQ6_K,
     nullptr},
    {{WeightType::kBF16, "BF16", 1, 2, Encoding::kF32},
     {{{1, 2}}},
     nullptr,
     WidenBF16},
}};

constexpr bool RowsAreConsistent() {
  for (const TypeEntry& entry : kTypes) {
    uint32_t bytes = 0;
    for (const BlockField& field : entry.fields) {
      bytes += uint32_t{field.word_count} * field.word_bytes;
    }
    if (bytes != entry.info.block_bytes) return false;
    if ((entry.decode == nullptr) == (entry.widen == nullptr)) return false;
  }
  return true;
}
static_assert(RowsAreConsistent());

}  // namespace

std::span<const TypeEntry> TypeTable() { return kTypes; }

const TypeEntry& EntryOf(WeightType type) {
  for (const TypeEntry& entry : kTypes) {
    if (entry.info.type == type) return entry;
  }
  SHOAL_CHECK(false, "weight type ", static_cast<uint32_t>(type));
  return kTypes[0];
}

}  // namespace shoal::kernels
