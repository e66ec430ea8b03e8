#include "model/families/family_builder.h"

#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::model {

using kernels::RopeParameters;
using kernels::WeightType;

absl::StatusOr<FamilyBuilder> FamilyBuilder::Create(const GgufHeader& header,
                                                    absl::string_view family,
                                                    NormKind norm) {
  FamilyBuilder builder(header, family, norm);
  SHOAL_RETURN_IF_ERROR(builder.ReadShape());
  SHOAL_RETURN_IF_ERROR(builder.ReadModel(family));
  return builder;
}

absl::Status FamilyBuilder::ReadShape() {
  DecoderShape& shape = shape_;
  SHOAL_ASSIGN_OR_RETURN(shape.layer_count,
                         meta_.Uint("block_count", 1, kLayerCountMax));
  SHOAL_ASSIGN_OR_RETURN(shape.hidden,
                         meta_.Uint("embedding_length", 1, kHiddenMax));
  SHOAL_ASSIGN_OR_RETURN(shape.ffn_width, meta_.UintOr("feed_forward_length", 0,
                                                       1, kHiddenMax * 8));
  SHOAL_ASSIGN_OR_RETURN(shape.head_count,
                         meta_.Uint("attention.head_count", 1, kHeadCountMax));
  SHOAL_ASSIGN_OR_RETURN(shape.kv_head_count,
                         meta_.UintOr("attention.head_count_kv",
                                      shape.head_count, 1, shape.head_count));
  if (shape.head_count % shape.kv_head_count != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        header_.source(), ": ", meta_.Key("attention.head_count"), " is ",
        shape.head_count, ", not a multiple of attention.head_count_kv, ",
        shape.kv_head_count));
  }
  if (!meta_.Has("attention.key_length") &&
      shape.hidden % shape.head_count != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        header_.source(), ": ", meta_.Key("attention.head_count"), " is ",
        shape.head_count, ", which does not divide embedding_length, ",
        shape.hidden, ", and there is no attention.key_length"));
  }
  const uint32_t head_dim = shape.hidden / shape.head_count;
  SHOAL_ASSIGN_OR_RETURN(
      shape.key_dim, meta_.UintOr("attention.key_length", head_dim, 1, 65536));
  SHOAL_ASSIGN_OR_RETURN(shape.value_dim, meta_.UintOr("attention.value_length",
                                                       head_dim, 1, 65536));
  SHOAL_ASSIGN_OR_RETURN(
      const double epsilon,
      meta_.Float(norm_ == NormKind::kRms ? "attention.layer_norm_rms_epsilon"
                                          : "attention.layer_norm_epsilon",
                  0, 1));
  shape.epsilon = static_cast<float>(epsilon);
  return absl::OkStatus();
}

absl::Status FamilyBuilder::ReadModel(absl::string_view family) {
  model_.family = std::string(family);
  SHOAL_ASSIGN_OR_RETURN(auto name, header_.FindString("general.name"));
  model_.name = name.value_or("");
  model_.hidden = shape_.hidden;
  SHOAL_ASSIGN_OR_RETURN(model_.trained_context,
                         meta_.UintOr("context_length", 0, 0, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                         header_.RequireTensor("token_embd.weight"));
  if (embedding->rows() > kVocabularyMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        header_.source(), ": tensor token_embd.weight has ", embedding->rows(),
        " rows; allowed: up to ", kVocabularyMax));
  }
  model_.vocabulary = static_cast<uint32_t>(embedding->rows());
  SHOAL_ASSIGN_OR_RETURN(
      model_.embedding,
      Matrix("token_embd.weight", model_.vocabulary, shape_.hidden));
  return absl::OkStatus();
}

std::string FamilyBuilder::Block(uint32_t layer) {
  return absl::StrCat("blk.", layer, ".");
}

absl::StatusOr<std::string> FamilyBuilder::Matrix(const std::string& name,
                                                  uint64_t rows,
                                                  uint64_t cols) {
  SHOAL_RETURN_IF_ERROR(CheckTensor(header_, name, rows, cols));
  used_.insert(name);
  return name;
}

absl::StatusOr<std::string> FamilyBuilder::Vectors(const std::string& name,
                                                   uint64_t count,
                                                   uint64_t size) {
  SHOAL_RETURN_IF_ERROR(CheckTensor(header_, name, count, size));
  const GgufTensor* tensor = header_.FindTensor(name);
  if (tensor->type != WeightType::kF32) {
    return absl::InvalidArgumentError(absl::StrCat(
        header_.source(), ": tensor ", name, " is of type ",
        kernels::InfoOf(tensor->type).name, "; norms and biases must be F32"));
  }
  used_.insert(name);
  return name;
}

absl::StatusOr<std::string> FamilyBuilder::Vector(const std::string& name,
                                                  uint64_t size) {
  return Vectors(name, 1, size);
}

absl::StatusOr<std::string> FamilyBuilder::OptionalVector(
    const std::string& name, uint64_t size) {
  if (!HasTensor(name)) return std::string();
  return Vector(name, size);
}

absl::StatusOr<NormSpec> FamilyBuilder::NormOf(const std::string& stem,
                                               uint32_t width) {
  NormSpec norm;
  norm.kind = norm_;
  norm.epsilon = shape_.epsilon;
  SHOAL_ASSIGN_OR_RETURN(norm.weight, Vector(stem + ".weight", width));
  if (norm_ == NormKind::kLayer) {
    SHOAL_ASSIGN_OR_RETURN(norm.bias, OptionalVector(stem + ".bias", width));
  }
  return norm;
}

absl::StatusOr<NormSpec> FamilyBuilder::Norm(const std::string& stem) {
  return NormOf(stem, shape_.hidden);
}

absl::Status FamilyBuilder::AddRopeFactors(const RopeParameters& rope) {
  SHOAL_ASSIGN_OR_RETURN(
      model_.rope_factors,
      OptionalVector("rope_freqs.weight", rope.rotary_dim / 2));
  return absl::OkStatus();
}

absl::Status FamilyBuilder::AddHead() {
  PhaseSpec phase;
  phase.reduction = Reduction::kGather;
  SHOAL_ASSIGN_OR_RETURN(NormSpec norm, Norm("output_norm"));
  phase.inputs.push_back({std::move(norm), {}, 0, 0, {}});
  HeadSpec head;
  head.vocabulary = model_.vocabulary;
  head.weight = model_.embedding;
  if (HasTensor("output.weight")) {
    SHOAL_ASSIGN_OR_RETURN(
        head.weight, Matrix("output.weight", model_.vocabulary, shape_.hidden));
  }
  SHOAL_ASSIGN_OR_RETURN(head.bias,
                         OptionalVector("output.bias", model_.vocabulary));
  phase.head = std::move(head);
  model_.layers.push_back({{std::move(phase)}});
  return absl::OkStatus();
}

absl::StatusOr<ModelSpec> FamilyBuilder::Finish() {
  SHOAL_RETURN_IF_ERROR(AddHead());
  for (const GgufTensor& tensor : header_.tensors()) {
    if (used_.count(tensor.name) > 0) continue;
    return absl::UnimplementedError(absl::StrCat(
        header_.source(), ": tensor ", tensor.name.substr(0, 64),
        " is not one that Shoal's ", model_.family,
        " family computes with; without it the result would be wrong, so the "
        "file is refused"));
  }
  return std::move(model_);
}

}  // namespace shoal::model
