// How the blocks of a matrix lie in memory; conversion between layouts.
//
// A layout is a permutation of the canonical bytes: it never changes the size,
// so that offsets in a store do not depend on the instruction set.

#ifndef SHOAL_KERNELS_LAYOUT_H_
#define SHOAL_KERNELS_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"
#include "kernels/weight_type.h"

namespace shoal::kernels {

enum class LayoutId : uint32_t {
  // Rows one after another, each the blocks of the GGUF format.
  kCanonical = 0,
  // Groups of kTileRows rows. Within a group the blocks of one block column
  // lie together, cut into words of 4 bytes (2 where a field has 2): word 0 of
  // all 16 rows, word 1 of all 16 rows, and so on. One vector then holds the
  // same word of 16 (or 8, or 4) rows, and each lane sums one row, so that the
  // order of additions is the same for every vector width. The last group may
  // have fewer rows and is interleaved with that smaller number.
  kTile16 = 1,
};

inline constexpr uint32_t kTileRows = 16;

absl::string_view Name(LayoutId layout);

// A matrix of weights [rows, cols], read only, owned by somebody else.
struct WeightMatrix {
  WeightType type = WeightType::kF32;
  LayoutId layout = LayoutId::kCanonical;
  uint32_t rows = 0;
  uint32_t cols = 0;  // a whole number of blocks of `type`
  const std::byte* data = nullptr;
  // What will be read when the rows that are asked for have been, or null:
  // products bring its beginning near while they read their last rows.
  const std::byte* next = nullptr;

  uint64_t bytes() const { return BytesOf(type, uint64_t{rows} * cols); }
};

// Writes the canonical matrix `from` to `to` in `layout`, and back.
// REQUIRES: both spans have the matrix's size and do not overlap.
void Pack(WeightType type, uint32_t rows, uint32_t cols, LayoutId layout,
          std::span<const std::byte> from, std::span<std::byte> to);
void Unpack(WeightType type, uint32_t rows, uint32_t cols, LayoutId layout,
            std::span<const std::byte> from, std::span<std::byte> to);

// Dequantises `count` elements of canonical bytes, bit for bit as the format
// defines. REQUIRES: whole blocks.
void Dequantize(WeightType type, const std::byte* from, uint64_t count,
                float* to);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_LAYOUT_H_
