#include "model/llama.h"

#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/metadata.h"

namespace shoal::model {
namespace {

using kernels::RopePairing;
using kernels::RopeParameters;
using kernels::WeightType;

struct LlamaShape {
  uint32_t layer_count = 0;
  uint32_t hidden = 0;
  uint32_t ffn_width = 0;
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
  float epsilon = 0;
  RopeParameters rope;
};

absl::StatusOr<LlamaShape> ReadShape(const GgufHeader& header,
                                     const Metadata& meta) {
  LlamaShape shape;
  SHOAL_ASSIGN_OR_RETURN(shape.layer_count,
                         meta.Uint("block_count", 1, kLayerCountMax));
  SHOAL_ASSIGN_OR_RETURN(shape.hidden,
                         meta.Uint("embedding_length", 1, kHiddenMax));
  SHOAL_ASSIGN_OR_RETURN(shape.ffn_width,
                         meta.Uint("feed_forward_length", 1, kHiddenMax * 8));
  SHOAL_ASSIGN_OR_RETURN(shape.head_count,
                         meta.Uint("attention.head_count", 1, kHeadCountMax));
  SHOAL_ASSIGN_OR_RETURN(shape.kv_head_count,
                         meta.UintOr("attention.head_count_kv",
                                     shape.head_count, 1, shape.head_count));
  if (shape.head_count % shape.kv_head_count != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": ", meta.Key("attention.head_count"), " is ",
        shape.head_count, ", not a multiple of attention.head_count_kv, ",
        shape.kv_head_count));
  }
  if (!meta.Has("attention.key_length") &&
      shape.hidden % shape.head_count != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": ", meta.Key("attention.head_count"), " is ",
        shape.head_count, ", which does not divide embedding_length, ",
        shape.hidden, ", and there is no attention.key_length"));
  }
  const uint32_t head_dim = shape.hidden / shape.head_count;
  SHOAL_ASSIGN_OR_RETURN(
      shape.key_dim, meta.UintOr("attention.key_length", head_dim, 1, 65536));
  SHOAL_ASSIGN_OR_RETURN(shape.value_dim, meta.UintOr("attention.value_length",
                                                      head_dim, 1, 65536));
  SHOAL_ASSIGN_OR_RETURN(const double epsilon,
                         meta.Float("attention.layer_norm_rms_epsilon", 0, 1));
  shape.epsilon = static_cast<float>(epsilon);
  SHOAL_ASSIGN_OR_RETURN(shape.rope,
                         meta.Rope(shape.key_dim, RopePairing::kAdjacent));
  return shape;
}

// Mixture-of-experts files of this family are a later addition; computing them
// as dense ones would be wrong.
absl::Status RefuseExperts(const GgufHeader& header, const Metadata& meta) {
  SHOAL_ASSIGN_OR_RETURN(const uint32_t experts,
                         meta.UintOr("expert_count", 0, 0, 65536));
  if (experts == 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      header.source(), ": ", meta.Key("expert_count"), " is ", experts,
      ": mixture-of-experts models are not supported "
      "yet; use a dense model"));
}

// A bias that nobody adds would give wrong text that looks right.
absl::Status RefuseUnknownBiases(const GgufHeader& header) {
  for (const GgufTensor& tensor : header.tensors()) {
    if (!absl::StartsWith(tensor.name, "blk.")) continue;
    if (absl::EndsWith(tensor.name, ".bias") &&
        !absl::EndsWith(tensor.name, ".attn_q.bias") &&
        !absl::EndsWith(tensor.name, ".attn_k.bias") &&
        !absl::EndsWith(tensor.name, ".attn_v.bias") &&
        !absl::EndsWith(tensor.name, ".attn_output.bias")) {
      return absl::UnimplementedError(absl::StrCat(
          header.source(), ": tensor ", tensor.name,
          " is a bias that the llama family of Shoal does not have; supported "
          "biases: attn_q, attn_k, attn_v, attn_output"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckF32Vector(const GgufHeader& header, const std::string& name,
                            uint64_t size) {
  SHOAL_RETURN_IF_ERROR(CheckTensor(header, name, 1, size));
  const GgufTensor* tensor = header.FindTensor(name);
  if (tensor->type == WeightType::kF32) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      header.source(), ": tensor ", name, " is of type ",
      kernels::InfoOf(tensor->type).name, "; norms and biases must be F32"));
}

// Fills `name` with the tensor's name if the file has it.
absl::Status OptionalBias(const GgufHeader& header, const std::string& tensor,
                          uint64_t size, std::string& name) {
  if (header.FindTensor(tensor) == nullptr) return absl::OkStatus();
  name = tensor;
  return CheckF32Vector(header, tensor, size);
}

absl::StatusOr<PhaseSpec> AttentionPhase(const GgufHeader& header,
                                         const LlamaShape& shape,
                                         const std::string& block) {
  AttentionSpec spec;
  spec.head_count = shape.head_count;
  spec.kv_head_count = shape.kv_head_count;
  spec.key_dim = shape.key_dim;
  spec.value_dim = shape.value_dim;
  spec.scale = 1.0f / std::sqrt(static_cast<float>(shape.key_dim));
  spec.rope = shape.rope;
  spec.query = block + "attn_q.weight";
  spec.key = block + "attn_k.weight";
  spec.value = block + "attn_v.weight";
  spec.output = block + "attn_output.weight";
  const uint64_t query_rows = uint64_t{shape.head_count} * shape.key_dim;
  const uint64_t key_rows = uint64_t{shape.kv_head_count} * shape.key_dim;
  const uint64_t value_rows = uint64_t{shape.kv_head_count} * shape.value_dim;
  const uint64_t output_cols = uint64_t{shape.head_count} * shape.value_dim;
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.query, query_rows, shape.hidden));
  SHOAL_RETURN_IF_ERROR(CheckTensor(header, spec.key, key_rows, shape.hidden));
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.value, value_rows, shape.hidden));
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.output, shape.hidden, output_cols));
  SHOAL_RETURN_IF_ERROR(
      OptionalBias(header, block + "attn_q.bias", query_rows, spec.query_bias));
  SHOAL_RETURN_IF_ERROR(
      OptionalBias(header, block + "attn_k.bias", key_rows, spec.key_bias));
  SHOAL_RETURN_IF_ERROR(
      OptionalBias(header, block + "attn_v.bias", value_rows, spec.value_bias));
  PhaseSpec phase;
  phase.input_norm = {NormKind::kRms, block + "attn_norm.weight",
                      shape.epsilon};
  SHOAL_RETURN_IF_ERROR(
      CheckF32Vector(header, phase.input_norm.weight, shape.hidden));
  SHOAL_RETURN_IF_ERROR(OptionalBias(header, block + "attn_output.bias",
                                     shape.hidden, phase.output_bias));
  phase.attention = std::move(spec);
  return phase;
}

absl::StatusOr<PhaseSpec> FfnPhase(const GgufHeader& header,
                                   const LlamaShape& shape,
                                   const std::string& block) {
  FfnSpec spec;
  spec.width = shape.ffn_width;
  spec.gate = block + "ffn_gate.weight";
  spec.up = block + "ffn_up.weight";
  spec.down = block + "ffn_down.weight";
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.gate, shape.ffn_width, shape.hidden));
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.up, shape.ffn_width, shape.hidden));
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, spec.down, shape.hidden, shape.ffn_width));
  PhaseSpec phase;
  phase.input_norm = {NormKind::kRms, block + "ffn_norm.weight", shape.epsilon};
  SHOAL_RETURN_IF_ERROR(
      CheckF32Vector(header, phase.input_norm.weight, shape.hidden));
  phase.ffn = std::move(spec);
  return phase;
}

absl::StatusOr<PhaseSpec> HeadPhase(const GgufHeader& header,
                                    const LlamaShape& shape,
                                    const ModelSpec& model) {
  PhaseSpec phase;
  phase.reduction = Reduction::kGather;
  phase.input_norm = {NormKind::kRms, "output_norm.weight", shape.epsilon};
  SHOAL_RETURN_IF_ERROR(
      CheckF32Vector(header, phase.input_norm.weight, shape.hidden));
  HeadSpec head;
  head.vocabulary = model.vocabulary;
  const bool tied = header.FindTensor("output.weight") == nullptr;
  head.weight = tied ? model.embedding : "output.weight";
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, head.weight, model.vocabulary, shape.hidden));
  phase.head = std::move(head);
  return phase;
}

// Per-pair divisors of the rotation frequencies (the llama-3 scaling).
absl::Status CheckRopeFactors(const GgufHeader& header,
                              const LlamaShape& shape) {
  if (header.FindTensor("rope_freqs.weight") == nullptr) {
    return absl::OkStatus();
  }
  return CheckF32Vector(header, "rope_freqs.weight", shape.rope.rotary_dim / 2);
}

}  // namespace

absl::StatusOr<ModelSpec> LoadLlama(const GgufHeader& header) {
  const Metadata meta(header, "llama");
  SHOAL_RETURN_IF_ERROR(RefuseExperts(header, meta));
  SHOAL_RETURN_IF_ERROR(RefuseUnknownBiases(header));
  SHOAL_ASSIGN_OR_RETURN(const LlamaShape shape, ReadShape(header, meta));
  SHOAL_RETURN_IF_ERROR(CheckRopeFactors(header, shape));
  ModelSpec model;
  model.family = "llama";
  SHOAL_ASSIGN_OR_RETURN(auto name, header.FindString("general.name"));
  model.name = name.value_or("");
  model.hidden = shape.hidden;
  SHOAL_ASSIGN_OR_RETURN(model.trained_context,
                         meta.UintOr("context_length", 0, 0, UINT32_MAX));
  model.embedding = "token_embd.weight";
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                         header.RequireTensor(model.embedding));
  if (embedding->rows() > kVocabularyMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": tensor ", model.embedding, " has ",
        embedding->rows(), " rows; allowed: up to ", kVocabularyMax));
  }
  model.vocabulary = static_cast<uint32_t>(embedding->rows());
  SHOAL_RETURN_IF_ERROR(
      CheckTensor(header, model.embedding, model.vocabulary, shape.hidden));
  if (header.FindTensor("rope_freqs.weight") != nullptr) {
    model.rope_factors = "rope_freqs.weight";
  }
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = absl::StrCat("blk.", i, ".");
    LayerSpec layer;
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           AttentionPhase(header, shape, block));
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec ffn, FfnPhase(header, shape, block));
    layer.phases = {std::move(attention), std::move(ffn)};
    model.layers.push_back(std::move(layer));
  }
  SHOAL_ASSIGN_OR_RETURN(PhaseSpec head, HeadPhase(header, shape, model));
  model.layers.push_back({{std::move(head)}});
  if (meta.Has("attention.sliding_window")) {
    model.remarks.push_back(
        "attention.sliding_window is ignored in the llama family: attention "
        "sees the whole context, as in the reference implementations");
  }
  return model;
}

}  // namespace shoal::model
