#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/kernel_table.h"

namespace shoal::kernels {
namespace {

template <typename Element>
void Scatter(const Element* from, uint32_t count, std::byte* to) {
  for (uint32_t i = 0; i < count; ++i) {
    std::memcpy(to + uint64_t{i} * kKvPagePositions * sizeof(Element), from + i,
                sizeof(Element));
  }
}

}  // namespace

void StoreKeyAndValue(const KernelTable& kernels, const KvShape& shape,
                      uint32_t slot, const float* key, const float* value,
                      std::byte* page) {
  const uint64_t element = BytesOfElement(shape.type);
  std::byte* key_to = page + slot * element;
  std::byte* value_to = page + (uint64_t{kKvPagePositions} * shape.key_dim +
                                uint64_t{slot} * shape.value_dim) *
                                   element;
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
