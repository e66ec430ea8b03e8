#include "kernels/type_table.h"

#include <cstring>

#include "base/check.h"
#include "kernels/block_decoders.h"
#include "kernels/half.h"

namespace shoal::kernels {
namespace {

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

constexpr std::array<TypeEntry, 16> kTypes = {{
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
    {{WeightType::kQ4_1, "Q4_1", 32, 20, Encoding::kA8},
     {{{2, 2}, {4, 4}}},
     DecodeQ4_1,
     nullptr},
    {{WeightType::kQ5_0, "Q5_0", 32, 22, Encoding::kA8},
     {{{1, 2}, {1, 4}, {4, 4}}},
     DecodeQ5_0,
     nullptr},
    {{WeightType::kQ5_1, "Q5_1", 32, 24, Encoding::kA8},
     {{{2, 2}, {1, 4}, {4, 4}}},
     DecodeQ5_1,
     nullptr},
    {{WeightType::kQ8_0, "Q8_0", 32, 34, Encoding::kA8},
     {{{1, 2}, {8, 4}}},
     DecodeQ8_0,
     nullptr},
    {{WeightType::kQ2_K, "Q2_K", 256, 84, Encoding::kA8},
     {{{4, 4}, {16, 4}, {2, 2}}},
     DecodeQ2_K,
     nullptr},
    {{WeightType::kQ3_K, "Q3_K", 256, 110, Encoding::kA8},
     {{{8, 4}, {16, 4}, {3, 4}, {1, 2}}},
     DecodeQ3_K,
     nullptr},
    {{WeightType::kQ4_K, "Q4_K", 256, 144, Encoding::kA8},
     {{{2, 2}, {3, 4}, {32, 4}}},
     DecodeQ4_K,
     nullptr},
    {{WeightType::kQ5_K, "Q5_K", 256, 176, Encoding::kA8},
     {{{2, 2}, {3, 4}, {8, 4}, {32, 4}}},
     DecodeQ5_K,
     nullptr},
    {{WeightType::kQ6_K, "Q6_K", 256, 210, Encoding::kA8},
     {{{32, 4}, {16, 4}, {4, 4}, {1, 2}}},
     DecodeQ6_K,
     nullptr},
    {{WeightType::kIQ4_NL, "IQ4_NL", 32, 18, Encoding::kA8},
     {{{1, 2}, {4, 4}}},
     DecodeIQ4_NL,
     nullptr},
    {{WeightType::kIQ4_XS, "IQ4_XS", 256, 136, Encoding::kA8},
     {{{2, 2}, {1, 4}, {32, 4}}},
     DecodeIQ4_XS,
     nullptr},
    {{WeightType::kBF16, "BF16", 1, 2, Encoding::kF32},
     {{{1, 2}}},
     nullptr,
     WidenBF16},
    {{WeightType::kMXFP4, "MXFP4", 32, 17, Encoding::kA8},
     {{{1, 1}, {4, 4}}},
     DecodeMXFP4,
     nullptr},
}};

constexpr bool RowsAreConsistent() {
  for (const TypeEntry& entry : kTypes) {
    uint32_t bytes = 0;
    for (const BlockField& field : entry.fields) {
      bytes += uint32_t{field.word_count} * field.word_bytes;
    }
    if (bytes != entry.info.block_bytes) return false;
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
