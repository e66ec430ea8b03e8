// Writes the header of a GGUF file: magic, counts, metadata, tensor table.

#ifndef SHOAL_MODEL_GGUF_ENCODE_H_
#define SHOAL_MODEL_GGUF_ENCODE_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "model/gguf.h"
#include "model/gguf_format.h"

namespace shoal::model {

// The narrowest number types that a value may get. One that does not fit gets
// the next wider; a double is stored as a float where that is exact.
enum class GgufNumbers {
  kSmallest,       // never longer than what was read
  kAtLeast32Bits,  // what other programs expect of hyperparameters
};

// Appends type and value. Reading gives an equal value.
void AppendGgufValue(const GgufValue& value, GgufNumbers numbers,
                     std::string& to);

struct GgufHeaderContent {
  // What the tensors' offsets count from.
  enum class Offsets { kFileStart, kDataStart };

  uint32_t version = kGgufVersion;
  const GgufMetadata* metadata = nullptr;  // required
  absl::string_view without_prefix = "";   // keys left out; empty: none
  std::span<const GgufTensor> tensors = {};
  Offsets offsets = Offsets::kDataStart;
  GgufNumbers numbers = GgufNumbers::kAtLeast32Bits;
};

// The header. If there are tensors, it is padded to the alignment
// (general.alignment, or its default), so that its size is the data offset.
// REQUIRES: general.alignment is valid; no tensor's offset is below the data
// offset; offsets are aligned.
std::string EncodeGgufHeader(const GgufHeaderContent& content);

// general.alignment, or the default where it is missing.
// REQUIRES: it is an unsigned integer.
uint64_t AlignmentOf(const GgufMetadata& metadata);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_ENCODE_H_
