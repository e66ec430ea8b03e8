// Models in several files: NAME-00001-of-00003.gguf and so on.

#ifndef SHOAL_MODEL_GGUF_PARTS_H_
#define SHOAL_MODEL_GGUF_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/gguf.h"

namespace shoal::model {

// One file of a model, and the offset that its first byte has in the model.
//
// A model in several files is treated as one long file: nothing but a merged
// header in the first kGgufHeaderBytesMax bytes, then the files one after
// another, each at a multiple of kGgufAlignmentMax. Tensor offsets count in
// that file, so units, digests and what workers are told know of no parts.
struct GgufPart {
  std::string path;
  uint64_t begin = 0;
  uint64_t bytes = 0;
};

inline constexpr uint64_t kGgufPartsMax = 4096;

// The files of the model at `path`, which names any of them: several if the
// name ends so, else `path` alone, whether it is there or not (its bytes are 0
// then).
// Errors: kNotFound         a file of the model is missing; the message names
//                           the one that was expected
//         kInvalidArgument  a part of how many is not possible by the name
absl::StatusOr<std::vector<GgufPart>> FindGgufParts(const std::string& path);

// The header of a whole model from the headers of its parts, in order.
// REQUIRES: as many of both, and more than one.
// Errors: kInvalidArgument  split.no, split.count or split.tensors.count do not
//                           fit the names, architecture or alignment differ, a
//                           tensor is in two parts, or the merged header is
//                           larger than a header may be
absl::StatusOr<GgufHeader> MergeGgufParts(
    const std::vector<GgufPart>& parts, const std::vector<GgufHeader>& headers);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_PARTS_H_
