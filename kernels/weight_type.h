// The weight types of GGUF files, their block sizes, and what they multiply.

#ifndef SHOAL_KERNELS_WEIGHT_TYPE_H_
#define SHOAL_KERNELS_WEIGHT_TYPE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace shoal::kernels {

// The values are the type ids of the GGUF format.
enum class WeightType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

// How the vector that a matrix multiplies is encoded (kernels/activations.h).
enum class Encoding : uint8_t {
  kF32,  // as it is
  kA8,   // blocks of 32: int8 values and a scale
};

struct WeightTypeInfo {
  WeightType type;
  absl::string_view name;   // "Q4_K"
  uint32_t block_elements;  // a row is a whole number of blocks
  uint32_t block_bytes;
  Encoding encoding;  // what it multiplies unless told otherwise
};

// Every type of this build, in the order of their ids.
std::span<const WeightType> SupportedWeightTypes();

// REQUIRES: `type` is one of the enumerators.
const WeightTypeInfo& InfoOf(WeightType type);

// Nothing if the id is unknown or not supported.
std::optional<WeightType> WeightTypeFromGgufId(uint32_t id);

// The name that the format gives to an id, supported or not; "type 99" if it
// has none. For messages.
std::string GgufTypeName(uint32_t id);

// Bytes of `count` elements. REQUIRES: count is a whole number of blocks.
uint64_t BytesOf(WeightType type, uint64_t count);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_WEIGHT_TYPE_H_
