#include "model/synth_shape.h"

#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"

namespace shoal::model {
namespace {

using kernels::WeightType;

// Sources: the config.json that each model was published with.
constexpr auto kShapes = std::to_array<SynthShape>({
    {.name = "tinyllama-1.1b",
     .hidden = 2048,
     .layer_count = 22,
     .head_count = 32,
     .kv_head_count = 4,
     .head_dim = 64,
     .ffn_width = 5632,
     .vocabulary = 32000,
     .context = 2048},
    {.name = "llama-3.2-1b",
     .hidden = 2048,
     .layer_count = 16,
     .head_count = 32,
     .kv_head_count = 8,
     .head_dim = 64,
     .ffn_width = 8192,
     .vocabulary = 128256,
     .context = 131072,
     .rope_base = 500000,
     .tied = true,
     .rope_factor = 32},
    {.name = "llama-3.2-3b",
     .hidden = 3072,
     .layer_count = 28,
     .head_count = 24,
     .kv_head_count = 8,
     .head_dim = 128,
     .ffn_width = 8192,
     .vocabulary = 128256,
     .context = 131072,
     .rope_base = 500000,
     .tied = true,
     .rope_factor = 32},
    {.name = "llama-2-7b",
     .hidden = 4096,
     .layer_count = 32,
     .head_count = 32,
     .kv_head_count = 32,
     .head_dim = 128,
     .ffn_width = 11008,
     .vocabulary = 32000,
     .context = 4096},
    {.name = "llama-2-13b",
     .hidden = 5120,
     .layer_count = 40,
     .head_count = 40,
     .kv_head_count = 40,
     .head_dim = 128,
     .ffn_width = 13824,
     .vocabulary = 32000,
     .context = 4096},
    {.name = "llama-3-8b",
     .hidden = 4096,
     .layer_count = 32,
     .head_count = 32,
     .kv_head_count = 8,
     .head_dim = 128,
     .ffn_width = 14336,
     .vocabulary = 128256,
     .context = 8192,
     .rope_base = 500000},
    {.name = "llama-2-70b",
     .hidden = 8192,
     .layer_count = 80,
     .head_count = 64,
     .kv_head_count = 8,
     .head_dim = 128,
     .ffn_width = 28672,
     .vocabulary = 32000,
     .context = 4096},
    {.name = "llama-3-70b",
     .hidden = 8192,
     .layer_count = 80,
     .head_count = 64,
     .kv_head_count = 8,
     .head_dim = 128,
     .ffn_width = 28672,
     .vocabulary = 128256,
     .context = 8192,
     .rope_base = 500000},
    {.name = "qwen3-30b-a3b",
     .hidden = 2048,
     .layer_count = 48,
     .head_count = 32,
     .kv_head_count = 4,
     .head_dim = 128,
     .ffn_width = 768,
     .expert_count = 128,
     .expert_used_count = 8,
     .vocabulary = 151936,
     .context = 40960,
     .rope_base = 1000000,
     .norm_epsilon = 1e-6f},
    {.name = "tiny",
     .hidden = 256,
     .layer_count = 2,
     .head_count = 8,
     .kv_head_count = 4,
     .head_dim = 32,
     .ffn_width = 512,
     .vocabulary = 512,
     .context = 512},
    // One KV head, tied head, a head size of its own, scaled rotation.
    {.name = "tiny-mqa",
     .hidden = 192,
     .layer_count = 3,
     .head_count = 4,
     .kv_head_count = 1,
     .head_dim = 64,
     .ffn_width = 416,
     .vocabulary = 384,
     .context = 512,
     .tied = true,
     .rope_factor = 8},
    {.name = "tiny-moe",
     .hidden = 128,
     .layer_count = 2,
     .head_count = 4,
     .kv_head_count = 2,
     .head_dim = 32,
     .ffn_width = 64,
     .expert_count = 8,
     .expert_used_count = 2,
     .vocabulary = 384,
     .context = 512},
});

// general.file_type of files that are all of one type.
uint64_t FileTypeOf(WeightType type) {
  switch (type) {
    case WeightType::kF16:
      return 1;
    case WeightType::kQ4_0:
      return 2;
    case WeightType::kQ8_0:
      return 7;
    default:
      return 0;
  }
}

// Floats are kept as the file will have them.
double Float(double value) {
  return static_cast<double>(static_cast<float>(value));
}

class TensorList {
 public:
  explicit TensorList(WeightType type) : type_(type) {}

  void Vector(const std::string& name, uint64_t size) {
    tensors_.push_back(
        {.name = name, .type = WeightType::kF32, .dims = {size}});
  }
  void Matrix(const std::string& name, uint64_t rows, uint64_t cols) {
    tensors_.push_back({.name = name, .type = type_, .dims = {cols, rows}});
  }
  void Experts(const std::string& name, uint64_t rows, uint64_t cols,
               uint64_t count) {
    tensors_.push_back(
        {.name = name, .type = type_, .dims = {cols, rows, count}});
  }
  void Router(const std::string& name, const SynthShape& shape) {
    tensors_.push_back({.name = name,
                        .type = WeightType::kF32,
                        .dims = {shape.hidden, shape.expert_count}});
  }

  std::vector<GgufTensor> Take() { return std::move(tensors_); }

 private:
  const WeightType type_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace

std::span<const SynthShape> SynthShapes() { return kShapes; }

absl::StatusOr<SynthShape> FindSynthShape(absl::string_view name) {
  for (const SynthShape& shape : kShapes) {
    if (shape.name == name) return shape;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("shape '", name, "' is unknown; there are ",
                   absl::StrJoin(kShapes, ", ",
                                 [](std::string* out, const SynthShape& shape) {
                                   absl::StrAppend(out, shape.name);
                                 })));
}

std::vector<GgufTensor> TensorsOf(const SynthShape& shape, WeightType type) {
  SHOAL_CHECK(kernels::InfoOf(type).block_elements <= 32);
  TensorList list(type);
  const uint64_t query_rows = uint64_t{shape.head_count} * shape.head_dim;
  const uint64_t kv_rows = uint64_t{shape.kv_head_count} * shape.head_dim;
  list.Matrix("token_embd.weight", shape.vocabulary, shape.hidden);
  if (shape.rope_factor != 0) {
    list.Vector("rope_freqs.weight", shape.head_dim / 2);
  }
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = absl::StrCat("blk.", i, ".");
    list.Vector(block + "attn_norm.weight", shape.hidden);
    list.Matrix(block + "attn_q.weight", query_rows, shape.hidden);
    list.Matrix(block + "attn_k.weight", kv_rows, shape.hidden);
    list.Matrix(block + "attn_v.weight", kv_rows, shape.hidden);
    if (shape.expert_count > 0) {
      list.Vector(block + "attn_q_norm.weight", shape.head_dim);
      list.Vector(block + "attn_k_norm.weight", shape.head_dim);
    }
    list.Matrix(block + "attn_output.weight", shape.hidden, query_rows);
    list.Vector(block + "ffn_norm.weight", shape.hidden);
    if (shape.expert_count > 0) {
      list.Router(block + "ffn_gate_inp.weight", shape);
      list.Experts(block + "ffn_gate_exps.weight", shape.ffn_width,
                   shape.hidden, shape.expert_count);
      list.Experts(block + "ffn_up_exps.weight", shape.ffn_width, shape.hidden,
                   shape.expert_count);
      list.Experts(block + "ffn_down_exps.weight", shape.hidden,
                   shape.ffn_width, shape.expert_count);
      continue;
    }
    list.Matrix(block + "ffn_gate.weight", shape.ffn_width, shape.hidden);
    list.Matrix(block + "ffn_up.weight", shape.ffn_width, shape.hidden);
    list.Matrix(block + "ffn_down.weight", shape.hidden, shape.ffn_width);
  }
  list.Vector("output_norm.weight", shape.hidden);
  if (!shape.tied) list.Matrix("output.weight", shape.vocabulary, shape.hidden);
  return list.Take();
}

GgufMetadata HyperparametersOf(const SynthShape& shape, WeightType type) {
  const bool routed = shape.expert_count > 0;
  const std::string family = routed ? "qwen3moe" : "llama";
  GgufMetadata metadata = {
      {"general.architecture", family},
      {"general.name", absl::StrCat("random weights, shape of ", shape.name)},
      {"general.file_type", FileTypeOf(type)},
  };
  const auto set = [&](absl::string_view key, GgufValue value) {
    metadata.emplace(absl::StrCat(family, ".", key), std::move(value));
  };
  set("vocab_size", uint64_t{shape.vocabulary});
  set("context_length", uint64_t{shape.context});
  set("embedding_length", uint64_t{shape.hidden});
  set("block_count", uint64_t{shape.layer_count});
  set("feed_forward_length", uint64_t{shape.ffn_width});
  set("attention.head_count", uint64_t{shape.head_count});
  set("attention.head_count_kv", uint64_t{shape.kv_head_count});
  set("attention.key_length", uint64_t{shape.head_dim});
  set("attention.value_length", uint64_t{shape.head_dim});
  set("attention.layer_norm_rms_epsilon", Float(shape.norm_epsilon));
  set("rope.dimension_count", uint64_t{shape.head_dim});
  set("rope.freq_base", Float(shape.rope_base));
  if (routed) {
    set("expert_count", uint64_t{shape.expert_count});
    set("expert_used_count", uint64_t{shape.expert_used_count});
    set("expert_feed_forward_length", uint64_t{shape.ffn_width});
  }
  return metadata;
}

}  // namespace shoal::model
