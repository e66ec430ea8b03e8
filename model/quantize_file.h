// Makes a smaller GGUF file from one of floats.

#ifndef SHOAL_MODEL_QUANTIZE_FILE_H_
#define SHOAL_MODEL_QUANTIZE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/weight_type.h"
#include "model/gguf.h"

namespace shoal::model {

struct QuantizeOptions {
  std::string input;
  std::string output;
  kernels::WeightType type = kernels::WeightType::kQ4_K;
  uint32_t threads = 1;
};

// What a tensor becomes.
struct QuantizeChoice {
  kernels::WeightType type;
  // Why it is not the type asked for: "its rows of 352 are not ..."; empty for
  // the usual choices.
  std::string reason;
};

// The type of each tensor of `header`, in its order. Vectors, norms, routers
// and position tables stay as they are. Other matrices get `type`, but:
//   output.weight (the embedding, where it is tied)  Q6_K, unless `type` has 8
//                                                    bits or more
//   Q4_K, Q5_K  attn_v and ffn_down of the first and last eighth of the layers
//               and of every third between: Q6_K
//   Q3_K        attn_v, attn_output, ffn_down: Q4_K; Q5_K for attn_v of the
//               first two layers and ffn_down of the first sixteenth
//   Q2_K        attn_v, attn_output, ffn_down: Q3_K
//   rows that are not whole blocks of 256: a type of blocks of 32 of at least
//   as many bits; rows that are no whole blocks of 32: F16
// Errors: kInvalidArgument  a matrix is quantised already; names it
absl::StatusOr<std::vector<QuantizeChoice>> ChooseTypes(
    const GgufHeader& header, kernels::WeightType type);

// Reads and writes piece by piece; `output` appears when it is whole.
// Memory: a few MiB, whatever the model.
// `note` is called once for each choice with a reason, `progress` with bytes of
// the output.
// Errors: those of GgufHeader::ReadFile(), ChooseTypes() and WriteGgufFile();
//         kInvalidArgument  a weight is not finite (names the tensor), or the
//                           file is external (gguf_external.h)
absl::Status QuantizeFile(
    const QuantizeOptions& options,
    absl::FunctionRef<void(const std::string& note)> note,
    absl::FunctionRef<void(uint64_t done, uint64_t total)> progress);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_QUANTIZE_FILE_H_
