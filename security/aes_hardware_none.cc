#include "security/aes_hardware.h"

namespace shoal::security {

bool HasAesHardware() { return false; }

}  // namespace shoal::security
