// Bytes that nobody can guess.

#ifndef SHOAL_SECURITY_RANDOM_BYTES_H_
#define SHOAL_SECURITY_RANDOM_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace shoal::security {

// Fills `bytes` from the system's random source, which never fails.
// Threads: thread-safe.
void FillRandom(std::span<uint8_t> bytes);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_RANDOM_BYTES_H_
