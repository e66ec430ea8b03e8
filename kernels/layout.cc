#include "kernels/layout.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/type_table.h"

namespace shoal::kernels {
namespace {

// Calls move(canonical_offset, tiled_offset, bytes) for each word of the
// matrix.
template <typename Move>
void ForEachWord(const TypeEntry& entry, uint32_t rows, uint32_t cols,
                 const Move& move) {
  const uint64_t block_bytes = entry.info.block_bytes;
  const uint64_t blocks = cols / entry.info.block_elements;
  const uint64_t row_bytes = blocks * block_bytes;
  uint64_t tiled = 0;
  for (uint64_t first = 0; first < rows; first += kTileRows) {
    const uint64_t group = std::min<uint64_t>(kTileRows, rows - first);
    for (uint64_t block = 0; block < blocks; ++block) {
      uint64_t canonical = first * row_bytes + block * block_bytes;
      for (const BlockField& field : entry.fields) {
        for (uint32_t word = 0; word < field.word_count; ++word) {
          for (uint64_t row = 0; row < group; ++row) {
            move(canonical + row * row_bytes, tiled, field.word_bytes);
            tiled += field.word_bytes;
          }
          canonical += field.word_bytes;
        }
      }
    }
  }
}

// A copy whose size is a constant in each branch: one load and one store.
void CopyWord(const std::byte* from, std::byte* to, uint8_t bytes) {
  if (bytes == 4) {
    std::memcpy(to, from, 4);
  } else if (bytes == 2) {
    std::memcpy(to, from, 2);
  } else {
    *to = *from;
  }
}

void CheckSizes(WeightType type, uint32_t rows, uint32_t cols,
                std::span<const std::byte> from, std::span<std::byte> to) {
  SHOAL_CHECK(cols % InfoOf(type).block_elements == 0, cols, " columns");
  const uint64_t bytes = BytesOf(type, uint64_t{rows} * cols);
  SHOAL_CHECK(from.size() == bytes && to.size() == bytes, from.size(), " and ",
              to.size(), " instead of ", bytes);
}

}  // namespace

absl::string_view Name(LayoutId layout) {
  switch (layout) {
    case LayoutId::kCanonical:
      return "canonical";
    case LayoutId::kTile16:
      return "tile16";
  }
  return "unknown";
}

void Pack(WeightType type, uint32_t rows, uint32_t cols, LayoutId layout,
          std::span<const std::byte> from, std::span<std::byte> to) {
  CheckSizes(type, rows, cols, from, to);
  if (layout == LayoutId::kCanonical) {
    std::copy(from.begin(), from.end(), to.begin());
    return;
  }
  SHOAL_CHECK(layout == LayoutId::kTile16);
  ForEachWord(EntryOf(type), rows, cols,
              [&](uint64_t canonical, uint64_t tiled, uint8_t bytes) {
                CopyWord(&from[canonical], &to[tiled], bytes);
              });
}

void Unpack(WeightType type, uint32_t rows, uint32_t cols, LayoutId layout,
            std::span<const std::byte> from, std::span<std::byte> to) {
  CheckSizes(type, rows, cols, from, to);
  if (layout == LayoutId::kCanonical) {
    std::copy(from.begin(), from.end(), to.begin());
    return;
  }
  SHOAL_CHECK(layout == LayoutId::kTile16);
  ForEachWord(EntryOf(type), rows, cols,
              [&](uint64_t canonical, uint64_t tiled, uint8_t bytes) {
                CopyWord(&from[tiled], &to[canonical], bytes);
              });
}

void Dequantize(WeightType type, const std::byte* from, uint64_t count,
                float* to) {
  const TypeEntry& entry = EntryOf(type);
  SHOAL_CHECK(count % entry.info.block_elements == 0, count, " elements");
  if (entry.widen != nullptr) {
    entry.widen(from, count, to);
    return;
  }
  const uint32_t parts = entry.info.block_elements / kDecodedElements;
  DecodedPart decoded;
  for (uint64_t done = 0; done < count; from += entry.info.block_bytes) {
    for (uint32_t part = 0; part < parts; ++part, done += kDecodedElements) {
      entry.decode(from, part, decoded);
      for (uint32_t i = 0; i < kDecodedElements; ++i) {
        const float product =
            decoded.scales[i / 16] * static_cast<float>(decoded.quants[i]);
        to[done + i] = product - decoded.mins[i / 16];
      }
    }
  }
}

}  // namespace shoal::kernels
