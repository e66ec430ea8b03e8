#include "security/aes_hardware.h"

namespace shoal::security {

bool HasAesHardware() {
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
}

}  // namespace shoal::security
