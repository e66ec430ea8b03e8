// The processor's own CRC32C. One of crc32c_{x86,arm,none}.cc implements it,
// chosen by CMake.

#ifndef SHOAL_BASE_CRC32C_HARDWARE_H_
#define SHOAL_BASE_CRC32C_HARDWARE_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace shoal::base {

// Whether the processor that runs us has the instruction.
bool HasCrc32cHardware();

// Advances the raw register (no inversion before or after) over `data`.
// REQUIRES: HasCrc32cHardware().
uint32_t AdvanceCrc32cHardware(uint32_t state, std::span<const std::byte> data);

}  // namespace shoal::base

#endif  // SHOAL_BASE_CRC32C_HARDWARE_H_
