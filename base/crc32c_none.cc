#include "base/check.h"
#include "base/crc32c_hardware.h"

namespace shoal::base {

bool HasCrc32cHardware() { return false; }

uint32_t AdvanceCrc32cHardware(uint32_t, std::span<const std::byte>) {
  SHOAL_CHECK(false, "this build has no CRC32C instruction");
  return 0;
}

}  // namespace shoal::base
