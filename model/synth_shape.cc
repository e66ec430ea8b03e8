#include "model/synth_shape.h"

#include <array>
#include <string>

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
  std::vector<GgufTensor> tensors;
  const auto matrix = [&](const std::string& name, uint64_t rows,
                          uint64_t cols) {
    tensors.push_back({.name = name, .type = type, .dims = {cols, rows}});
  };
  const auto vector = [&](const std::string& name, uint64_t size) {
    tensors.push_back({.name = name, .type = WeightType::kF32, .dims = {size}});
  };
  const uint64_t query_rows = uint64_t{shape.head_count} * shape.head_dim;
  const uint64_t kv_rows = uint64_t{shape.kv_head_count} * shape.head_dim;
  matrix("token_embd.weight", shape.vocabulary, shape.hidden);
  if (shape.rope_factor != 0) vector("rope_freqs.weight", shape.head_dim / 2);
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = absl::StrCat("blk.", i, ".");
    vector(block + "attn_norm.weight", shape.hidden);
    matrix(block + "attn_q.weight", query_rows, shape.hidden);
    matrix(block + "attn_k.weight", kv_rows, shape.hidden);
    matrix(block + "attn_v.weight", kv_rows, shape.hidden);
    matrix(block + "attn_output.weight", shape.hidden, query_rows);
    vector(block + "ffn_norm.weight", shape.hidden);
    matrix(block + "ffn_gate.weight", shape.ffn_width, shape.hidden);
    matrix(block + "ffn_up.weight", shape.ffn_width, shape.hidden);
    matrix(block + "ffn_down.weight", shape.hidden, shape.ffn_width);
  }
  vector("output_norm.weight", shape.hidden);
  if (!shape.tied) matrix("output.weight", shape.vocabulary, shape.hidden);
  return tensors;
}

GgufMetadata HyperparametersOf(const SynthShape& shape, WeightType type) {
  return {
      {"general.architecture", std::string("llama")},
      {"general.name", absl::StrCat("random weights, shape of ", shape.name)},
      {"general.file_type", FileTypeOf(type)},
      {"llama.vocab_size", uint64_t{shape.vocabulary}},
      {"llama.context_length", uint64_t{shape.context}},
      {"llama.embedding_length", uint64_t{shape.hidden}},
      {"llama.block_count", uint64_t{shape.layer_count}},
      {"llama.feed_forward_length", uint64_t{shape.ffn_width}},
      {"llama.attention.head_count", uint64_t{shape.head_count}},
      {"llama.attention.head_count_kv", uint64_t{shape.kv_head_count}},
      {"llama.attention.key_length", uint64_t{shape.head_dim}},
      {"llama.attention.value_length", uint64_t{shape.head_dim}},
      {"llama.attention.layer_norm_rms_epsilon", Float(shape.norm_epsilon)},
      {"llama.rope.dimension_count", uint64_t{shape.head_dim}},
      {"llama.rope.freq_base", Float(shape.rope_base)},
  };
}

}  // namespace shoal::model
