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

// Bytes with a scale for each column: keys.
template <typename V>
struct ByteKeyRows {
  const std::byte* from;
  typename V::Float scales[kAttentionVectors<V>];

  // `halfs`: the f16 scales [32].
  ByteKeyRows(const std::byte* bytes, const std::byte* halfs) : from(bytes) {
    for (uint32_t n = 0; n < kAttentionVectors<V>; ++n) {
      scales[n] = V::FromHalfs(halfs + 2 * n * V::kLanes);
    }
  }
  typename V::Float At(uint32_t k, uint32_t n) const {
    return V::Mul(V::FromBytes(from + k * kAttentionColumns + n * V::kLanes),
                  scales[n]);
  }
};

// Bytes with a scale for each row: values.
template <typename V>
struct ByteValueRows {
  const std::byte* from;
  uint64_t stride;
  alignas(64) float scales[kAttentionColumns];

  // `halfs`: the f16 scales [32].
  ByteValueRows(const std::byte* bytes, uint64_t row_stride,
                const std::byte* halfs)
      : from(bytes), stride(row_stride) {
    for (uint32_t n = 0; n < kAttentionVectors<V>; ++n) {
      V::Store(V::FromHalfs(halfs + 2 * n * V::kLanes), scales + n * V::kLanes);
    }
  }
  typename V::Float At(uint32_t k, uint32_t n) const {
    return V::Mul(V::FromBytes(from + k * stride + n * V::kLanes),
                  V::Set1(scales[k]));
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

// Calls use(rows, begin, count) for the elements [begin, begin + count) of the
// keys [dim, 32] of a page, one piece after another.
template <typename V, typename Use>
static inline void ForKeyRows(KvType type, const std::byte* keys, uint32_t dim,
                              Use use) {
  constexpr uint64_t kRowElements = kAttentionColumns;
  switch (type) {
    case KvType::kF32:
      return use(FloatRows<V>{keys, 4 * kRowElements}, 0, dim);
    case KvType::kF16:
      return use(HalfRows<V>{keys, 2 * kRowElements}, 0, dim);
    case KvType::kQ8:
      break;
  }
  const std::byte* halfs = keys + dim * kRowElements;
  for (uint32_t d = 0; d < dim; d += kKvBlockElements) {
    const uint32_t rest = dim - d;
    use(ByteKeyRows<V>(keys + d * kRowElements, halfs), d,
        rest < kKvBlockElements ? rest : kKvBlockElements);
    halfs += 2 * kAttentionColumns;
  }
}

// Calls use(rows) for the 32 columns from `begin` on of values [32, dim].
// REQUIRES: begin % 32 == 0; begin + 32 <= dim.
template <typename V, typename Use>
static inline void WithValueRows(KvType type, const std::byte* values,
                                 uint32_t dim, uint32_t begin, Use use) {
  const uint64_t element = ElementBytes(type);
  const std::byte* from = values + begin * element;
  switch (type) {
    case KvType::kF32:
      return use(FloatRows<V>{from, dim * element});
    case KvType::kF16:
      return use(HalfRows<V>{from, dim * element});
    case KvType::kQ8:
      break;
  }
  // [dim / 32, 32], behind the values.
  const std::byte* halfs =
      values + uint64_t{kKvPagePositions} * dim + 2 * uint64_t{begin};
  use(ByteValueRows<V>(from, dim, halfs));
}

// The last columns of values whose dim is no multiple of 32, [32, dim % 32],
// made 32 with zeros behind them: floats [32, 32] of the slots [first, past).
template <typename V>
static inline void WidenLastColumns(KvType type, const std::byte* values,
                                    uint32_t dim, uint32_t first, uint32_t past,
                                    float* to) {
  const uint32_t begin = dim / kAttentionColumns * kAttentionColumns;
  const uint64_t element = ElementBytes(type);
  // One row of a narrower page: values, and behind them their scales.
  alignas(64) std::byte row[4 * kAttentionColumns] = {};
  const std::byte* halfs =
      values + uint64_t{kKvPagePositions} * dim + 2 * uint64_t{begin};
  for (uint32_t slot = first; slot < past; ++slot) {
    std::memcpy(row, values + (uint64_t{slot} * dim + begin) * element,
                (dim - begin) * element);
    float* row_to = to + slot * kAttentionColumns;
    switch (type) {
      case KvType::kF32:
        Widen<V>(FloatRows<V>{row, 0}, 0, 1, row_to);
        break;
      case KvType::kF16:
        Widen<V>(HalfRows<V>{row, 0}, 0, 1, row_to);
        break;
      case KvType::kQ8: {
        ByteValueRows<V> rows(row, 0, halfs);
        rows.scales[0] = rows.scales[slot];
        Widen<V>(rows, 0, 1, row_to);
        break;
      }
    }
  }
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_ROWS_H_
