// Numbers in frame headers: little-endian, at any offset.

#ifndef SHOAL_TRANSPORT_LITTLE_ENDIAN_H_
#define SHOAL_TRANSPORT_LITTLE_ENDIAN_H_

#include <concepts>
#include <cstddef>
#include <span>

namespace shoal::transport {

// REQUIRES, here and below: at + sizeof(T) <= the span's size.
template <std::unsigned_integral T>
void Put(std::span<std::byte> out, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out[at + i] = static_cast<std::byte>(value >> (8 * i));
}

template <std::unsigned_integral T>
T Get(std::span<const std::byte> in, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(in[at + i]) << (8 * i));
  return value;
}

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_LITTLE_ENDIAN_H_
