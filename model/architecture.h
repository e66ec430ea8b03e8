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

enum class NormKind : uint8_t { kNone, kRms };

struct NormSpec {
  NormKind kind = NormKind::kNone;
  std::string weight;  // tensor name
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
  // Tensor names. A bias is empty where there is none.
  std::string query, key, value, output;
  std::string query_bias, key_bias, value_bias;
};

enum class Activation : uint8_t { kSilu };

// Units: blocks of the `width` intermediate channels.
struct FfnSpec {
  uint32_t width = 0;
  Activation activation = Activation::kSilu;
  std::string gate, up, down;  // tensor names
};

// Units: blocks of vocabulary rows.
struct HeadSpec {
  uint32_t vocabulary = 0;
  std::string weight;  // tensor name; the embedding's where they are tied
};

// How the ranks' results become one at the hub.
enum class Reduction : uint8_t {
  kSum,     // partial sums [T, hidden], added to the residual
  kGather,  // disjoint columns of the result (the head's logits)
};

struct PhaseSpec {
  NormSpec input_norm;  // hub work before: norm of the residual
  std::optional<AttentionSpec> attention;
  std::optional<FfnSpec> ffn;
  std::optional<HeadSpec> head;
  Reduction reduction = Reduction::kSum;
  std::string output_bias;  // hub work after: added once; empty: none
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
  // layers.size() == layer_count + 1: the last one is the head, one phase.
  std::vector<LayerSpec> layers;
  // Tensor [rotary_dim / 2] that divides the rotation frequencies; empty: none.
  std::string rope_factors;
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
