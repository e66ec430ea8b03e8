// What the families have in common: reading shapes, finding tensors, making
// the usual phases. A family file calls these and sets what is its own.

#ifndef SHOAL_MODEL_FAMILIES_FAMILY_BUILDER_H_
#define SHOAL_MODEL_FAMILIES_FAMILY_BUILDER_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/metadata.h"

namespace shoal::model {

// Hyperparameters that every family has.
struct DecoderShape {
  uint32_t layer_count = 0;
  uint32_t hidden = 0;
  uint32_t ffn_width = 0;  // 0: no feed_forward_length (experts only)
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
  float epsilon = 0;
};

enum class FfnForm : uint8_t {
  kPlain,      // ffn_up
  kGated,      // ffn_gate and ffn_up
  kFusedGate,  // ffn_up has both, the gate's rows first
};

// Every tensor that a method returns the name of is checked for its shape and
// noted as used. Errors of all methods: as LoadModelSpec().
class FamilyBuilder {
 public:
  // `header` is borrowed. `norm` is the family's kind of norm, and tells which
  // key has its epsilon.
  static absl::StatusOr<FamilyBuilder> Create(const GgufHeader& header,
                                              absl::string_view family,
                                              NormKind norm);

  const GgufHeader& header() const { return header_; }
  const Metadata& meta() const { return meta_; }
  const DecoderShape& shape() const { return shape_; }
  ModelSpec& model() { return model_; }

  bool HasTensor(const std::string& name) const {
    return header_.FindTensor(name) != nullptr;
  }
  // A matrix [rows, cols] (all dims but the first count as rows).
  absl::StatusOr<std::string> Matrix(const std::string& name, uint64_t rows,
                                     uint64_t cols);
  // `count` F32 vectors in one tensor, [count, size].
  absl::StatusOr<std::string> Vectors(const std::string& name, uint64_t count,
                                      uint64_t size);
  // One.
  absl::StatusOr<std::string> Vector(const std::string& name, uint64_t size);
  // Likewise, but empty where the file has none.
  absl::StatusOr<std::string> OptionalVector(const std::string& name,
                                             uint64_t size);

  // The tensors STEM.weight and, for layer norms, STEM.bias if it is there.
  absl::StatusOr<NormSpec> Norm(const std::string& stem);
  // `width` other than hidden.
  absl::StatusOr<NormSpec> NormOf(const std::string& stem, uint32_t width);

  // "blk.I."
  static std::string Block(uint32_t layer);

  // Separate or fused q, k, v with biases if there are any; the scale is
  // 1 / sqrt(key_dim); nothing is windowed or normed.
  absl::StatusOr<AttentionSpec> Attention(const std::string& block,
                                          const kernels::RopeParameters& rope);
  // Norms of queries and keys, where the block has attn_q_norm and attn_k_norm.
  absl::Status AddHeadNorms(const std::string& block, NormKind kind,
                            HeadNormSpec::Scope scope, AttentionSpec& spec);
  absl::StatusOr<FfnSpec> Ffn(const std::string& block, FfnForm form,
                              Activation activation);
  // Of ffn_gate_shexp, ffn_up_shexp, ffn_down_shexp.
  absl::StatusOr<FfnSpec> SharedExpert(const std::string& block, uint32_t width,
                                       Activation activation);
  // Merged tensors (ffn_gate_exps) or one per expert (ffn_gate.0).
  // Softmax gating, not normalised; biases where there are any.
  absl::StatusOr<ExpertsSpec> Experts(const std::string& block, uint32_t width,
                                      Activation activation);

  // Whole phases: attn_norm, attention, attn_output.bias; ffn_norm, FFN,
  // ffn_down.bias. The biases may be missing.
  absl::StatusOr<PhaseSpec> AttentionPhase(const std::string& block,
                                           const kernels::RopeParameters& rope);
  absl::StatusOr<PhaseSpec> FfnPhase(const std::string& block, FfnForm form,
                                     Activation activation);
  // NORM (the stem of its tensors), then Experts().
  absl::StatusOr<PhaseSpec> ExpertsPhase(const std::string& block,
                                         const std::string& norm,
                                         uint32_t width, Activation activation);
  // One phase of both kinds, on one input or, where the block has ffn_norm, on
  // one each.
  absl::StatusOr<PhaseSpec> ParallelPhase(const std::string& block,
                                          const kernels::RopeParameters& rope,
                                          FfnForm form, Activation activation);
  // A tensor [hidden] that the file may have.
  absl::Status AddOutputBias(const std::string& name, PhaseSpec& phase);
  // The whole model, if every layer is an AttentionPhase() and a FfnPhase().
  absl::StatusOr<ModelSpec> PreNormDecoder(const kernels::RopeParameters& rope,
                                           FfnForm form, Activation activation);

  // Adds rope_freqs.weight if the file has it.
  absl::Status AddRopeFactors(const kernels::RopeParameters& rope);

  // Adds the head and checks that no tensor is left over: a tensor that the
  // family does not use would be a wrong result that looks right.
  absl::StatusOr<ModelSpec> Finish();

 private:
  FamilyBuilder(const GgufHeader& header, absl::string_view family,
                NormKind norm)
      : header_(header), meta_(header, family), norm_(norm) {}

  absl::Status ReadShape();
  absl::Status ReadModel(absl::string_view family);
  absl::Status AddHead();
  absl::StatusOr<HeadRows> Heads(const std::string& stem, uint32_t heads,
                                 uint32_t dim);
  absl::Status FusedHeads(const std::string& block, AttentionSpec& spec);
  absl::StatusOr<ChannelRows> Channels(const std::string& stem, uint32_t rows);
  absl::StatusOr<ExpertTensors> Expert(const std::string& block,
                                       uint32_t expert, uint32_t count,
                                       uint32_t width);

  const GgufHeader& header_;
  Metadata meta_;
  NormKind norm_;
  DecoderShape shape_;
  ModelSpec model_;
  std::set<std::string> used_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_FAMILIES_FAMILY_BUILDER_H_
