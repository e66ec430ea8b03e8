#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "security/aes_hardware.h"

namespace shoal::security {

// A Raspberry Pi 4 has none: its licence for them was left out.
bool HasAesHardware() {
  constexpr unsigned long kBoth = HWCAP_AES | HWCAP_PMULL;
  return (getauxval(AT_HWCAP) & kBoth) == kBoth;
}

}  // namespace shoal::security
