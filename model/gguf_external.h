// Model files without most of their tensor data: docs/external-file.md.

#ifndef SHOAL_MODEL_GGUF_EXTERNAL_H_
#define SHOAL_MODEL_GGUF_EXTERNAL_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/unit_table.h"

namespace shoal::model {

inline constexpr absl::string_view kExternalPrefix = "shoal.external.";
inline constexpr uint64_t kExternalVersion = 1;
// Of the data section as if it were whole: far beyond any model, and no sum
// with it overflows.
inline constexpr uint64_t kExternalDataBytesMax = uint64_t{1} << 56;

// Adds the keys that mark a file as external. The encoded size depends on the
// number of digests and on the two byte counts alone.
void AddExternal(const GgufExternal& external, GgufMetadata& metadata);

// Takes the keys out of `metadata`; nothing if there are none. inline_end is
// not set.
// Errors: kInvalidArgument  a key is missing, of the wrong type, or its value
//                           is not possible
//         kUnimplemented    a version that is not known
absl::StatusOr<std::optional<GgufExternal>> TakeExternal(
    GgufMetadata& metadata);

// Names the grid that digests are listed for: 32 hexadecimal digits.
std::string GridNameOf(const UnitTable& table);

// Whether bytes of the unit are not in the file.
bool IsExternal(const GgufExternal& external, const UnitLayout& unit);

// Whether the file has what must be in it, and a digest for each unit of
// `table`, which must be its own.
// Errors: kInvalidArgument     the embedding is not in the file, or the number
//                              of digests is not that of the units
//         kFailedPrecondition  the file was made for another grid of units
absl::Status CheckExternal(const GgufExternal& external, const ModelSpec& spec,
                           const GgufHeader& header, const UnitTable& table);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_EXTERNAL_H_
