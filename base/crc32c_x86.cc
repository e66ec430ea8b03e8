#include <nmmintrin.h>

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

// The instruction takes three cycles and can begin in each: three runs of
// kRunBytes side by side take the time of one.
template <size_t kRunBytes>
__attribute__((target("sse4.2"))) uint32_t AdvanceThreeRuns(
    uint32_t state, const std::byte* from) {
  uint64_t first = state;
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t i = 0; i < kRunBytes; i += 8) {
    first = _mm_crc32_u64(first, Load(from + i));
    second = _mm_crc32_u64(second, Load(from + kRunBytes + i));
    third = _mm_crc32_u64(third, Load(from + 2 * kRunBytes + i));
  }
  const auto joined = Crc32cShift<kRunBytes>::Apply(
      Crc32cShift<kRunBytes>::Apply(static_cast<uint32_t>(first)) ^
      static_cast<uint32_t>(second));
  return joined ^ static_cast<uint32_t>(third);
}

}  // namespace

bool HasCrc32cHardware() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) uint32_t AdvanceCrc32cHardware(
    uint32_t state, std::span<const std::byte> data) {
  while (data.size() >= 3 * kCrc32cLongRun) {
    state = AdvanceThreeRuns<kCrc32cLongRun>(state, data.data());
    data = data.subspan(3 * kCrc32cLongRun);
  }
  while (data.size() >= 3 * kCrc32cShortRun) {
    state = AdvanceThreeRuns<kCrc32cShortRun>(state, data.data());
    data = data.subspan(3 * kCrc32cShortRun);
  }
  uint64_t wide = state;
  while (data.size() >= 8) {
    wide = _mm_crc32_u64(wide, Load(data.data()));
    data = data.subspan(8);
  }
  state = static_cast<uint32_t>(wide);
  for (const std::byte byte : data) {
    state = _mm_crc32_u8(state, std::to_integer<uint8_t>(byte));
  }
  return state;
}

}  // namespace shoal::base
