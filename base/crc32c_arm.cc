#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>

#include "base/crc32c_hardware.h"

namespace shoal::base {

bool HasCrc32cHardware() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("+crc"))) uint32_t AdvanceCrc32cHardware(
    uint32_t state, std::span<const std::byte> data) {
  while (data.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, data.data(), 8);
    state = __crc32cd(state, word);
    data = data.subspan(8);
  }
  for (const std::byte byte : data) {
    state = __crc32cb(state, std::to_integer<uint8_t>(byte));
  }
  return state;
}

}  // namespace shoal::base
