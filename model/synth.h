// Makes model files of random weights and real shape, so that speed, memory
// and placement can be tried without a download.

#ifndef SHOAL_MODEL_SYNTH_H_
#define SHOAL_MODEL_SYNTH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/weight_type.h"
#include "model/gguf.h"
#include "model/synth_shape.h"
#include "model/synth_weights.h"

namespace shoal::model {

struct SynthOptions {
  std::string shape;  // a name in SynthShapes()
  // Of every matrix, embedding and head included: F16, Q4_0 or Q8_0.
  kernels::WeightType type = kernels::WeightType::kQ4_0;
  uint64_t seed = 1;
  std::string path = "";  // replaced if it exists
};

// The bytes of a model of random weights, in any order, without a file. Weights
// have mean 0 and standard deviation 1 / sqrt(cols), so that activations stay
// of order 1; vectors are 1. Options but `path` decide all bytes.
//
// Cost:    more than 1 GB/s on one core; each thread adds as much.
// Memory:  a few megabytes, whatever the shape.
// Threads: thread-safe.
class SynthModel {
 public:
  // Errors: kInvalidArgument  unknown shape, or a type that is not one of the
  //                           three
  static absl::StatusOr<SynthModel> Create(const SynthOptions& options);

  // With a made-up vocabulary that the tokenizer takes.
  const GgufMetadata& metadata() const { return metadata_; }
  // Sizes and offsets are not set.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // REQUIRES: tensors() has one of this name.
  size_t IndexOf(absl::string_view tensor) const;

  // Fills `to` with the bytes of a tensor, by its place in tensors(), from
  // `offset_bytes` on.
  // REQUIRES: there is such a tensor; offset and size are whole blocks.
  void Fill(size_t tensor_idx, uint64_t offset_bytes,
            std::span<std::byte> to) const;

 private:
  explicit SynthModel(const SynthShape& shape) : shape_(shape) {}

  SynthShape shape_;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::optional<SynthWeights>> weights_;  // of matrices
  std::vector<float> rope_factors_;
};

// Called after each chunk of the file; total_bytes counts tensor data alone.
using SynthProgress =
    absl::FunctionRef<void(uint64_t done_bytes, uint64_t total_bytes)>;

// Writes a SynthModel to a file. The same options give the same bytes.
//
// Errors: those of SynthModel::Create() and WriteGgufFile()
absl::Status Synthesize(const SynthOptions& options, SynthProgress progress);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_H_
