#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/half.h"
#include "kernels/kernel_table.h"

namespace shoal::kernels {
namespace {

constexpr uint16_t kHalfInfinity = 0x7c00;
constexpr uint16_t kHalfNan = 0x7e00;

template <typename Element>
void Scatter(const Element* from, uint32_t count, std::byte* to) {
  for (uint32_t i = 0; i < count; ++i) {
    std::memcpy(to + uint64_t{i} * kKvPagePositions * sizeof(Element), from + i,
                sizeof(Element));
  }
}

// The least f16 with which 127 times it reaches `max`; NaN where there is none
// or `max` is not a number.
uint16_t ScaleFor(float max) {
  uint16_t scale = HalfFromFloat(max / 127.0f);
  // Exact: a product of 7 and 11 bits.
  if (scale < kHalfInfinity && FloatFromHalf(scale) * 127.0f < max) ++scale;
  return scale < kHalfInfinity ? scale : kHalfNan;
}

// The f16 scale of up to kKvBlockElements numbers, and their quants.
uint16_t EncodeBlock(const float* from, uint32_t count,
                     std::array<int8_t, kKvBlockElements>& quants) {
  std::array<float, kKvBlockElements> values = {};
  std::memcpy(values.data(), from, count * sizeof(float));
  // As bits, where infinity and NaN are above all numbers.
  uint32_t max_bits = 0;
  for (const float value : values) {
    max_bits = std::max(max_bits, BitsOfFloat(value) & 0x7fffffffu);
  }
  const uint16_t half = ScaleFor(FloatFromBits(max_bits));
  if (half == 0 || half == kHalfNan) {
    quants = {};
    return half;
  }
  const float inverse = 1.0f / FloatFromHalf(half);
  for (uint32_t i = 0; i < kKvBlockElements; ++i) {
    // Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in
    // the low bits.
    const float shifted = values[i] * inverse + 12582912.0f;
    quants[i] = static_cast<int8_t>(BitsOfFloat(shifted) - 0x4b400000u);
  }
  return half;
}

// One position of keys (`across`) or values [dim] that begin at `to`.
void StoreQ8(const float* from, uint32_t dim, bool across, uint32_t slot,
             std::byte* to) {
  std::byte* scales = to + uint64_t{kKvPagePositions} * dim;
  std::array<int8_t, kKvBlockElements> quants;
  for (uint32_t i = 0; i < dim; i += kKvBlockElements) {
    const uint32_t count = std::min(dim - i, kKvBlockElements);
    const uint16_t scale = EncodeBlock(from + i, count, quants);
    if (across) {
      Scatter(quants.data(), count, to + uint64_t{i} * kKvPagePositions + slot);
    } else {
      std::memcpy(to + uint64_t{slot} * dim + i, quants.data(), count);
    }
    const uint64_t scale_idx =
        uint64_t{i / kKvBlockElements} * kKvPagePositions + slot;
    std::memcpy(scales + scale_idx * sizeof(scale), &scale, sizeof(scale));
  }
}

}  // namespace

void StoreKeyAndValue(const KernelTable& kernels, const KvShape& shape,
                      uint32_t slot, const float* key, const float* value,
                      std::byte* page) {
  std::byte* values = page + KvRowsBytes(shape.type, shape.key_dim);
  if (shape.type == KvType::kQ8) {
    StoreQ8(key, shape.key_dim, /*across=*/true, slot, page);
    StoreQ8(value, shape.value_dim, /*across=*/false, slot, values);
    return;
  }
  const uint64_t element = shape.type == KvType::kF32 ? 4 : 2;
  std::byte* key_to = page + slot * element;
  std::byte* value_to = values + uint64_t{slot} * shape.value_dim * element;
  if (shape.type == KvType::kF32) {
    Scatter(key, shape.key_dim, key_to);
    std::memcpy(value_to, value, shape.value_dim * sizeof(float));
    return;
  }
  std::array<uint16_t, 64> halfs;
  for (uint32_t i = 0; i < shape.key_dim; i += halfs.size()) {
    const auto count =
        std::min(shape.key_dim - i, static_cast<uint32_t>(halfs.size()));
    kernels.f32_to_f16(key + i, count, halfs.data());
    Scatter(halfs.data(), count, key_to + i * kKvPagePositions * element);
  }
  kernels.f32_to_f16(value, shape.value_dim,
                     reinterpret_cast<uint16_t*>(value_to));
}

}  // namespace shoal::kernels
