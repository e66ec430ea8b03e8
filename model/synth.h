// Makes model files of random weights and real shape, so that speed, memory
// and placement can be tried without a download.

#ifndef SHOAL_MODEL_SYNTH_H_
#define SHOAL_MODEL_SYNTH_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/weight_type.h"

namespace shoal::model {

struct SynthOptions {
  std::string shape;  // a name in SynthShapes()
  // Of every matrix, embedding and head included: F16, Q4_0 or Q8_0.
  kernels::WeightType type = kernels::WeightType::kQ4_0;
  uint64_t seed = 1;
  std::string path;  // replaced if it exists
};

// Called after each chunk of the file; total_bytes counts tensor data alone.
using SynthProgress =
    absl::FunctionRef<void(uint64_t done_bytes, uint64_t total_bytes)>;

// Writes the file, with a made-up vocabulary that the tokenizer takes. Weights
// have mean 0 and standard deviation 1 / sqrt(cols), so that activations stay
// of order 1. The same options give the same bytes.
//
// Memory: a few megabytes, whatever the shape.
// Errors: kInvalidArgument  unknown shape, or a type that is not one of the
//                           three
//         those of WriteGgufFile()
absl::Status Synthesize(const SynthOptions& options, SynthProgress progress);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_H_
