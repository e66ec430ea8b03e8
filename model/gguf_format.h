// The numbers of the GGUF format, and the limits that Shoal sets on a header.
//
// Source: the GGUF specification (ggml/docs/gguf.md).

#ifndef SHOAL_MODEL_GGUF_FORMAT_H_
#define SHOAL_MODEL_GGUF_FORMAT_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "model/gguf.h"

namespace shoal::model {

inline constexpr absl::string_view kGgufMagic = "GGUF";
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr absl::string_view kGgufAlignmentKey = "general.alignment";
inline constexpr uint64_t kGgufAlignmentDefault = 32;

// Limits. Those of keys and tensor names are the format's; the others leave a
// wide margin over the largest published models.
inline constexpr uint64_t kGgufKeyBytesMax = 65535;
inline constexpr uint64_t kGgufTensorNameBytesMax = 64;
inline constexpr uint64_t kGgufStringBytesMax = uint64_t{16} << 20;
inline constexpr uint64_t kGgufArrayElementsMax = uint64_t{1} << 24;
inline constexpr uint64_t kGgufMetadataCountMax = 65536;
inline constexpr uint64_t kGgufTensorCountMax = uint64_t{1} << 20;
inline constexpr uint64_t kGgufHeaderBytesMax = uint64_t{128} << 20;
inline constexpr uint64_t kGgufAlignmentMin = 8;
inline constexpr uint64_t kGgufAlignmentMax = uint64_t{1} << 20;
inline constexpr uint32_t kGgufDimsMax = 4;

// The values are the type ids of the format.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufValueTypeMax =
    static_cast<uint32_t>(GgufValueType::kFloat64);

// The bytes of a value; the fewest that it can have if its size varies.
constexpr uint64_t BytesMinOf(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kString:
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    case GgufValueType::kArray:
      return 12;
  }
  return 1;
}

// "integer", "array of strings": what a value is, for messages.
absl::string_view KindOf(const GgufValue& value);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_FORMAT_H_
