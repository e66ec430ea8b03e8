// Whether this processor computes AES-GCM itself; one .cc per kind of it.

#ifndef SHOAL_SECURITY_AES_HARDWARE_H_
#define SHOAL_SECURITY_AES_HARDWARE_H_

namespace shoal::security {

bool HasAesHardware();

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_AES_HARDWARE_H_
