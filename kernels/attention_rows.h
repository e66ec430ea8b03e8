// How attention_tile.h reads rows of 32 numbers of a page as vectors of floats,
// by KvType: At(k, n) is the n-th vector of row k of a matrix [rows, 32].
//
// V is as in attention_tile.h. Static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_ATTENTION_ROWS_H_
#define SHOAL_KERNELS_ATTENTION_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/attention.h"

namespace shoal::kernels {

// Columns of all tiles: the positions of a page, and a block of a value.
inline constexpr uint32_t kAttentionColumns = kKvPagePositions;
static_assert(kAttentionColumns == kKvBlockElements);

template <typename V>
inline constexpr uint32_t kAttentionVectors = kAttentionColumns / V::kLanes;

static inline uint32_t ElementBytes(KvType type) {
  switch (type) {
    case KvType::kF32:
      return 4;
    case KvType::kF16:
      return 2;
    case KvType::kQ8:
      break;
  }
  return 1;
}

// All strides are in bytes.
template <typename V>
struct FloatRows {
  const std::byte* from;
  uint64_t stride;

  typename V::Float At(uint32_t k, uint32_t n) const {
    return V::Load(reinterpret_cast<const float*>(from + k * stride) +
                   n * V::kLanes);
  }
};

template <typename V>
struct HalfRows {
  const std::byte* from;
  uint64_t stride;

  typename V::Float At(uint32_t k, uint32_t n) const {
    return V::FromHalfs(from + k * stride + 2 * n * V::kLanes);
  }
};

// Quants without their scales.
template <typename V>
struct ByteRows {
  const std::byte* from;
  uint64_t stride;

  typename V::Float At(uint32_t k, uint32_t n) const {
    return V::FromBytes(from + k * stride + n * V::kLanes);
  }
};

// The scales of a block of 32 elements of all positions of a page, as floats.
template <typename V>
struct BlockScales {
  alignas(64) float values[kKvPagePositions];

  // `halfs`: f16.
  explicit BlockScales(const std::byte* halfs) {
    for (uint32_t n = 0; n < kAttentionVectors<V>; ++n) {
      V::Store(V::FromHalfs(halfs + 2 * n * V::kLanes), values + n * V::kLanes);
    }
  }
};

// Rows [begin, end) as floats, to [end - begin, 32].
template <typename V, typename Rows>
static inline void Widen(const Rows& rows, uint32_t begin, uint32_t end,
                         float* to) {
  for (uint32_t k = begin; k < end; ++k) {
    for (uint32_t n = 0; n < kAttentionVectors<V>; ++n) {
      V::Store(rows.At(k, n), to + n * V::kLanes);
    }
    to += kAttentionColumns;
  }
}

// Calls use(rows, scales, begin, count) for the elements [begin, begin + count)
// of the keys [dim, 32] of a page, one piece after another; `scales` [32] are
// of the columns, null where there are none.
template <typename V, typename Use>
static inline void ForKeyRows(KvType type, const std::byte* keys, uint32_t dim,
                              Use use) {
  constexpr uint64_t kRowElements = kAttentionColumns;
  const float* none = nullptr;
  switch (type) {
    case KvType::kF32:
      return use(FloatRows<V>{keys, 4 * kRowElements}, none, 0, dim);
    case KvType::kF16:
      return use(HalfRows<V>{keys, 2 * kRowElements}, none, 0, dim);
    case KvType::kQ8:
      break;
  }
  const std::byte* halfs = keys + dim * kRowElements;
  for (uint32_t d = 0; d < dim; d += kKvBlockElements) {
    const uint32_t rest = dim - d;
    const BlockScales<V> scales(halfs);
    use(ByteRows<V>{keys + d * kRowElements, kRowElements}, scales.values, d,
        rest < kKvBlockElements ? rest : kKvBlockElements);
    halfs += 2 * kAttentionColumns;
  }
}

// Calls use(rows, scales) for the 32 columns from `begin` on of the values
// [32, dim] of a page; `scales` [32] are of the rows, null where there are
// none. Where dim ends before, the columns of the rows [first, past) are copied
// first, zeros behind them.
template <typename V, typename Use>
static inline void WithValueRows(KvType type, const std::byte* values,
                                 uint32_t dim, uint32_t begin, uint32_t first,
                                 uint32_t past, Use use) {
  const uint64_t element = ElementBytes(type);
  const std::byte* from = values + begin * element;
  uint64_t stride = dim * element;
  alignas(64) std::byte copy[kKvPagePositions * kAttentionColumns * 4];
  if (dim - begin < kAttentionColumns) {
    const uint64_t copied_stride = kAttentionColumns * element;
    const uint64_t bytes = (dim - begin) * element;
    for (uint32_t k = first; k < past; ++k) {
      std::byte* to = copy + k * copied_stride;
      std::memcpy(to, from + k * stride, bytes);
      std::memset(to + bytes, 0, copied_stride - bytes);
    }
    from = copy;
    stride = copied_stride;
  }
  const float* none = nullptr;
  switch (type) {
    case KvType::kF32:
      return use(FloatRows<V>{from, stride}, none);
    case KvType::kF16:
      return use(HalfRows<V>{from, stride}, none);
    case KvType::kQ8:
      break;
  }
  // [dim / 32, 32], behind the values.
  const BlockScales<V> scales(values + uint64_t{kKvPagePositions} * dim +
                              2 * uint64_t{begin});
  use(ByteRows<V>{from, stride}, scales.values);
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_ROWS_H_
