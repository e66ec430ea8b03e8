// What vector kernels of the tile16 layout share: reaching the blocks of a
// tile, also of one with fewer than 16 rows, and writing its results.
//
// The functions are static on purpose: files that are compiled for a newer
// instruction set include this too, and a shared inline function could then
// reach a processor that does not have it. For the same reason such files call
// nothing inline of the standard library or absl.

#ifndef SHOAL_KERNELS_TILE_H_
#define SHOAL_KERNELS_TILE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/type_table.h"

namespace shoal::kernels {

// Room for the blocks of 16 rows, or for 32 columns of one-element types.
inline constexpr uint32_t kTileScratchBytes = kTileRows * 256;

// Where the rows that are asked for end, and what is read next begins.
struct ReadAhead {
  uintptr_t end;
  uintptr_t beyond;  // added from `end` on; 0: they follow one another
};

// Where `place`, ahead of what is read, lies.
static inline const std::byte* AheadAt(const ReadAhead& ahead,
                                       const std::byte* place) {
  const auto address = reinterpret_cast<uintptr_t>(place);
  return reinterpret_cast<const std::byte*>(
      address < ahead.end ? address : address + ahead.beyond);
}

// Up to 16 rows of a matrix: rows [row, row + rows).
struct Tile {
  const std::byte* data;
  ReadAhead ahead;
  WeightType type;
  uint32_t row;
  uint32_t rows;
  const BlockField* fields;  // of the type's block, 4 of them
};

// The tile that begins at `row`, of a product of rows up to `row_end`; zeroes
// `scratch` if BlockAt() will use it.
static inline Tile TileAt(const WeightMatrix& weights, const TypeEntry& entry,
                          uint32_t row, uint32_t row_end, std::byte* scratch) {
  const uint64_t row_bytes = weights.cols / entry.info.block_elements *
                             uint64_t{entry.info.block_bytes};
  Tile tile;
  tile.data = weights.data + row * row_bytes;
  tile.ahead.end =
      reinterpret_cast<uintptr_t>(weights.data) + row_end * row_bytes;
  tile.ahead.beyond =
      weights.next == nullptr
          ? 0
          : reinterpret_cast<uintptr_t>(weights.next) - tile.ahead.end;
  tile.type = weights.type;
  tile.row = row;
  tile.rows = weights.rows - row;
  tile.fields = entry.fields.data();
  if (tile.rows >= kTileRows) {
    tile.rows = kTileRows;
  } else {
    std::memset(scratch, 0, kTileScratchBytes);
  }
  return tile;
}

// `count` blocks from `block` on as 16 rows have them: in place if the tile is
// full, else spread out in `scratch`, where missing rows are zero.
static inline const std::byte* BlockAt(const Tile& tile, uint64_t block,
                                       uint32_t count, uint32_t block_bytes,
                                       std::byte* scratch) {
  const std::byte* from = tile.data + block * block_bytes * tile.rows;
  if (tile.rows == kTileRows) return from;
  std::byte* to = scratch;
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t field = 0; field < 4; ++field) {
      const uint32_t bytes = tile.fields[field].word_bytes;
      for (uint32_t word = 0; word < tile.fields[field].word_count; ++word) {
        std::memcpy(to, from, bytes * tile.rows);
        from += bytes * tile.rows;
        to += bytes * kTileRows;
      }
    }
  }
  return scratch;
}

// Writes the results [16] of one token to the rows of the tile. Most tiles are
// full, and a known number of rows makes vectors of these loops.
static inline void WriteTile(const Tile& tile, const ProductOutput& output,
                             uint64_t token, const float* results) {
  const uint64_t at = token * output.stride + tile.row;
  if (output.mode == ProductOutput::Mode::kAddF64) {
    double* to = static_cast<double*>(output.data) + at;
    if (tile.rows == kTileRows) {
      for (uint32_t i = 0; i < kTileRows; ++i) to[i] += double{results[i]};
      return;
    }
    for (uint32_t i = 0; i < tile.rows; ++i) to[i] += double{results[i]};
    return;
  }
  float* to = static_cast<float*>(output.data) + at;
  if (output.mode == ProductOutput::Mode::kAdd) {
    for (uint32_t i = 0; i < tile.rows; ++i) to[i] += results[i];
  } else {
    std::memcpy(to, results, tile.rows * sizeof(float));
  }
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_TILE_H_
