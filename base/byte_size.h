// Sizes in bytes as people write and read them: "300 MiB", "1.5GiB", "4096".

#ifndef SHOAL_BASE_BYTE_SIZE_H_
#define SHOAL_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::base {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// Rounds `value` up to a multiple of `alignment`.
// REQUIRES: alignment > 0; the result fits.
constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Reads a number with an optional unit: B, KiB, MiB, GiB, TiB (1024s), KB, MB,
// GB, TB (1000s); K, M, G, T mean the 1024s. Case and one space are ignored.
// Errors: kInvalidArgument  not of that form, negative, or above 2^63 - 1
absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text);

// At most one decimal: "512 B", "4 KiB", "1.5 GiB".
std::string FormatByteSize(uint64_t bytes);

}  // namespace shoal::base

#endif  // SHOAL_BASE_BYTE_SIZE_H_
