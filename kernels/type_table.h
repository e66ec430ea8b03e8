// One row per weight type: its name and size, how its block is cut into words,
// and how its elements are read. Everything generic is driven by these rows.

#ifndef SHOAL_KERNELS_TYPE_TABLE_H_
#define SHOAL_KERNELS_TYPE_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/weight_type.h"

namespace shoal::kernels {

// A run of words of one size within a block; a block is a few of them in order.
struct BlockField {
  uint16_t word_count = 0;
  uint8_t word_bytes = 0;  // 4, 2 or 1
};

inline constexpr uint32_t kDecodedElements = 32;

// 32 elements of a quantised block, with the scales already multiplied out:
// element i is scales[i / 16] * quants[i] - mins[i / 16], each operation
// rounded to float, which is how the formats define their values.
struct DecodedPart {
  std::array<int8_t, kDecodedElements> quants;
  std::array<float, 2> scales;
  std::array<float, 2> mins;
};

struct TypeEntry {
  WeightTypeInfo info;
  std::array<BlockField, 4> fields;  // unused ones are empty
  // Quantised types: decodes elements [32 part, 32 part + 32) of a block.
  void (*decode)(const std::byte* block, uint32_t part, DecodedPart& out);
  // Types of one element per block: widens `count` of them.
  void (*widen)(const std::byte* from, uint64_t count, float* to);
};

// All types, in the order of their ids.
std::span<const TypeEntry> TypeTable();

// REQUIRES: `type` is one of the enumerators.
const TypeEntry& EntryOf(WeightType type);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_TYPE_TABLE_H_
