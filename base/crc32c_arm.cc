#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>

#include "base/crc32c_hardware.h"
#include "base/crc32c_shift.h"

namespace shoal::base {
namespace {

uint64_t Load(const std::byte* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// The instruction takes two or three cycles and can begin in each: three runs
// of kRunBytes side by side take the time of one.
template <size_t kRunBytes>
__attribute__((target("+crc"))) uint32_t AdvanceThreeRuns(
    uint32_t state, const std::byte* from) {
  uint32_t second = 0;
  uint32_t third = 0;
  for (size_t i = 0; i < kRunBytes; i += 8) {
    state = __crc32cd(state, Load(from + i));
    second = __crc32cd(second, Load(from + kRunBytes + i));
    third = __crc32cd(third, Load(from + 2 * kRunBytes + i));
  }
  return Crc32cShift<kRunBytes>::Apply(Crc32cShift<kRunBytes>::Apply(state) ^
                                       second) ^
         third;
}

}  // namespace

bool HasCrc32cHardware() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("+crc"))) uint32_t AdvanceCrc32cHardware(
    uint32_t state, std::span<const std::byte> data) {
  while (data.size() >= 3 * kCrc32cLongRun) {
    state = AdvanceThreeRuns<kCrc32cLongRun>(state, data.data());
    data = data.subspan(3 * kCrc32cLongRun);
  }
  while (data.size() >= 3 * kCrc32cShortRun) {
    state = AdvanceThreeRuns<kCrc32cShortRun>(state, data.data());
    data = data.subspan(3 * kCrc32cShortRun);
  }
  while (data.size() >= 8) {
    state = __crc32cd(state, Load(data.data()));
    data = data.subspan(8);
  }
  for (const std::byte byte : data) {
    state = __crc32cb(state, std::to_integer<uint8_t>(byte));
  }
  return state;
}

}  // namespace shoal::base
