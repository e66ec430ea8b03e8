// The shapes of well-known models, for files of random weights.

#ifndef SHOAL_MODEL_SYNTH_SHAPE_H_
#define SHOAL_MODEL_SYNTH_SHAPE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/weight_type.h"
#include "model/gguf.h"

namespace shoal::model {

// A model of the llama family or, with experts, of qwen3moe. key_dim ==
// value_dim == head_dim.
struct SynthShape {
  absl::string_view name;  // "tinyllama-1.1b"
  uint32_t hidden = 0;
  uint32_t layer_count = 0;
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;
  uint32_t head_dim = 0;
  uint32_t ffn_width = 0;  // of each expert, if there are experts
  uint32_t expert_count = 0;
  uint32_t expert_used_count = 0;  // for one token
  uint32_t vocabulary = 0;
  uint32_t context = 0;
  double rope_base = 10000;
  float norm_epsilon = 1e-5f;
  bool tied = false;       // the head is the embedding
  double rope_factor = 0;  // llama-3 frequency scaling; 0: none
};

// Those that FindSynthShape() knows. The tiny ones are for tests.
std::span<const SynthShape> SynthShapes();

// Errors: kInvalidArgument  no such shape; the message lists what there is
absl::StatusOr<SynthShape> FindSynthShape(absl::string_view name);

// The tensors of such a model in file order: matrices of `type`, vectors and
// routers F32. Offsets and sizes are not set.
// REQUIRES: `type` has blocks of 32 elements or fewer.
std::vector<GgufTensor> TensorsOf(const SynthShape& shape,
                                  kernels::WeightType type);

// All metadata but the tokenizer's.
GgufMetadata HyperparametersOf(const SynthShape& shape,
                               kernels::WeightType type);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_SHAPE_H_
