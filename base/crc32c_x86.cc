#include <nmmintrin.h>

#include <cstring>

#include "base/crc32c_hardware.h"

namespace shoal::base {

bool HasCrc32cHardware() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) uint32_t AdvanceCrc32cHardware(
    uint32_t state, std::span<const std::byte> data) {
  uint64_t wide = state;
  while (data.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, data.data(), 8);
    wide = _mm_crc32_u64(wide, word);
    data = data.subspan(8);
  }
  state = static_cast<uint32_t>(wide);
  for (const std::byte byte : data) {
    state = _mm_crc32_u8(state, std::to_integer<uint8_t>(byte));
  }
  return state;
}

}  // namespace shoal::base
