// What a model computes, as data: layers, their phases, and the unit kinds of
// each phase.
//
// A family (llama.cc, ...) turns the metadata of a file into a ModelSpec; all
// the rest (unit_table.h, phase_compute.h, hub_compute.h) reads the spec and
// knows no family.

#ifndef SHOAL_MODEL_ARCHITECTURE_H_
#define SHOAL_MODEL_ARCHITECTURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/rope.h"
#include "model/gguf.h"

namespace shoal::model {

// Limits on what a file may claim; far above any published model.
inline constexpr uint64_t kLayerCountMax = 1024;
inline constexpr uint64_t kHiddenMax = 1 << 20;
inline constexpr uint64_t kHeadCountMax = 1 << 14;
inline constexpr uint64_t kVocabularyMax = 1 << 24;

enum class NormKind : uint8_t {
  kNone,
  kRms,    // x / sqrt(mean(x^2) + epsilon) * weight
  kLayer,  // (x - mean) / sqrt(variance + epsilon) * weight + bias
};

struct NormSpec {
  NormKind kind = NormKind::kNone;
  std::string weight;  // tensor name
  std::string bias;    // tensor name; empty: none (kLayer only)
  float epsilon = 0;
};

// One of the inputs of a phase: made by the hub from the residual, sent to the
// ranks. First the norm; then, where `projection` names a tensor, its rows
// [first_row, first_row + rows) times the normed residual, and the norm of
// that (MLA's latents).
struct InputSpec {
  NormSpec norm;
  std::string projection;  // empty: the normed residual itself is the input
  uint32_t first_row = 0;
  uint32_t rows = 0;
  NormSpec projection_norm;
};

// The rows of a tensor that belong to heads: those of head h begin at
// first_row + h * stride. A fused tensor (q, k and v in one) is named by three.
struct HeadRows {
  std::string tensor;
  std::string bias;  // a vector over the same rows; empty: none
  uint32_t first_row = 0;
  uint32_t stride = 0;
};

// Norms of queries or keys before their rotation.
struct HeadNormSpec {
  enum class Scope : uint8_t {
    kShared,    // each head alone; one weight [head size] for all
    kPerHead,   // each head alone; weights [heads, head size]
    kAllHeads,  // all heads as one vector, weight [heads * head size]
  };
  NormKind kind = NormKind::kNone;
  Scope scope = Scope::kShared;
  std::string weight;
  float epsilon = 0;
};

// Units: one KV group each, or several merged (unit_table.h).
struct AttentionSpec {
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
  float scale = 1.0f;  // of q . k
  kernels::RopeParameters rope;
  uint32_t rope_begin = 0;  // the first element of a head that is rotated
  uint32_t window = 0;      // positions seen, the token's own included; 0: all
  float score_cap = 0;      // scores s become cap * tanh(s / cap); 0: none
  HeadRows query, key, value;
  HeadNormSpec query_norm, key_norm;
  std::string output;  // tensor name
  std::string sinks;   // a score [head_count] that takes part in the softmax
                       // and has no value; empty: none
  // Which of the phase's inputs they multiply.
  uint32_t query_input = 0;
  uint32_t key_value_input = 0;
  // MLA: the last shared_key_dim elements of every key are this input, the
  // same for all heads; `key` gives the others. 0: keys are whole.
  uint32_t shared_key_dim = 0;
  uint32_t shared_key_input = 0;

  uint32_t own_key_dim() const { return key_dim - shared_key_dim; }
};

enum class Activation : uint8_t {
  kSilu,
  kGelu,           // the tanh form
  kSwigluClamped,  // gpt-oss: min(g, 7) * sigmoid(1.702 g) * (clamp(u, 7) + 1)
};

// Rows [first_row, first_row + width) of a tensor.
struct ChannelRows {
  std::string tensor;
  std::string bias;  // a vector over the same rows; empty: none
  uint32_t first_row = 0;
};

// Units: blocks of the `width` intermediate channels.
struct FfnSpec {
  uint32_t width = 0;
  Activation activation = Activation::kSilu;
  ChannelRows gate;  // no tensor: not gated, activation(up)
  ChannelRows up;
  std::string down;  // tensor name
  uint32_t input = 0;
  // A vector [hidden]: the result is multiplied by sigmoid(vector . input),
  // which the hub computes; empty: not.
  std::string scale_gate;
};

// One expert's parts of a routed phase.
struct ExpertTensors {
  ChannelRows gate;
  ChannelRows up;
  ChannelRows down;  // first_row: of [hidden] rows; bias over the same
};

enum class Gating : uint8_t {
  kSoftmax,        // softmax over all experts, then the best are chosen
  kSigmoid,        // sigmoid of each
  kSoftmaxChosen,  // the best are chosen, then the softmax over those
};

// Units: blocks of the `width` channels of one expert. The router runs on the
// hub, once.
struct ExpertsSpec {
  uint32_t used = 0;  // experts of one token
  uint32_t width = 0;
  Activation activation = Activation::kSilu;
  std::vector<ExpertTensors> experts;
  std::string router;          // [experts, hidden]
  std::string router_bias;     // [experts]; empty: none
  std::string selection_bias;  // [experts], for the choice alone; empty: none
  Gating gating = Gating::kSoftmax;
  bool normalize = false;  // the chosen weights add up to 1
  float weight_scale = 1;
  uint32_t input = 0;

  uint32_t count() const { return static_cast<uint32_t>(experts.size()); }
};

// Units: blocks of vocabulary rows.
struct HeadSpec {
  uint32_t vocabulary = 0;
  std::string weight;  // tensor name; the embedding's where they are tied
  std::string bias;    // [vocabulary]; empty: none
  float logit_scale = 1;
  float logit_cap = 0;  // logits l become cap * tanh(l / cap); 0: none
};

// How the ranks' results become one at the hub.
enum class Reduction : uint8_t {
  kSum,     // partial sums [T, hidden], added to the residual
  kGather,  // disjoint columns of the result (the head's logits)
};

// A phase may have several kinds of units: attention and FFN of a parallel
// block, routed and shared experts. Their results are one sum.
struct PhaseSpec {
  std::vector<InputSpec> inputs;  // at least one
  std::optional<AttentionSpec> attention;
  std::optional<FfnSpec> ffn;
  std::optional<ExpertsSpec> experts;
  std::optional<HeadSpec> head;
  Reduction reduction = Reduction::kSum;
  // Hub work after, in this order: biases (each added once), norm of the sum,
  // factor, addition to the residual.
  std::vector<std::string> output_biases;
  NormSpec output_norm;
  float residual_scale = 1;

  // Beside the inputs the hub sends what the router chose (routing.h).
  bool routed() const {
    return experts.has_value() || (ffn && !ffn->scale_gate.empty());
  }
};

struct LayerSpec {
  std::vector<PhaseSpec> phases;
};

struct ModelSpec {
  std::string family;  // general.architecture
  std::string name;    // general.name, or empty
  uint32_t hidden = 0;
  uint32_t vocabulary = 0;
  uint32_t trained_context = 0;  // 0: the file does not say
  std::string embedding;         // tensor [vocabulary, hidden]
  float embedding_scale = 1;
  std::string position_embedding;  // tensor [positions, hidden]; empty: none
  uint32_t position_max = 0;       // its rows; 0: any number of positions
  // layers.size() == layer_count + 1: the last one is the head, one phase.
  std::vector<LayerSpec> layers;
  // Tensors [rotary_dim / 2] that divide the rotation frequencies; empty: none.
  // The long one holds for contexts above rope_original_context (longrope).
  std::string rope_factors;
  std::string rope_factors_long;
  uint32_t rope_original_context = 0;
  // Remarks for `model inspect` ("attention.sliding_window is ignored").
  std::vector<std::string> remarks;

  uint32_t layer_count() const {
    return static_cast<uint32_t>(layers.size()) - 1;
  }
};

// Reads and checks the hyperparameters and the shape of every tensor used.
// Errors: kInvalidArgument  a key or tensor is missing, of the wrong type or
//                           shape, or out of range; the message names it, its
//                           value and what is allowed
//         kUnimplemented    a family, or an option of it, that is not
//                           supported; the message lists what is
absl::StatusOr<ModelSpec> LoadModelSpec(const GgufHeader& header);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_ARCHITECTURE_H_
