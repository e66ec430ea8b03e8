#include "model/synth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/gguf_writer.h"
#include "model/synth_random.h"
#include "model/synth_vocabulary.h"

namespace shoal::model {
namespace {

// Llama 3 divides the frequencies of long waves by `factor`, keeps those of
// short ones, and blends between: published as low and high factor 1 and 4 of
// an original context of 8192.
std::vector<float> RopeFactors(const SynthShape& shape) {
  if (shape.rope_factor == 0) return {};
  constexpr double kOriginalContext = 8192;
  constexpr double kLow = 1;
  constexpr double kHigh = 4;
  std::vector<float> factors(shape.head_dim / 2);
  for (size_t i = 0; i < factors.size(); ++i) {
    const double wave =
        2 * std::numbers::pi *
        std::pow(shape.rope_base, 2.0 * static_cast<double>(i) /
                                      static_cast<double>(shape.head_dim));
    const double smooth =
        std::clamp((kOriginalContext / wave - kLow) / (kHigh - kLow), 0.0, 1.0);
    factors[i] =
        static_cast<float>(1 / ((1 - smooth) / shape.rope_factor + smooth));
  }
  return factors;
}

constexpr char kRopeFactors[] = "rope_freqs.weight";

}  // namespace

absl::StatusOr<SynthModel> SynthModel::Create(const SynthOptions& options) {
  SHOAL_ASSIGN_OR_RETURN(const SynthShape shape, FindSynthShape(options.shape));
  if (!SynthWeights::Supports(options.type)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "random weights of type ", kernels::InfoOf(options.type).name,
        " cannot be made; allowed are F16, Q4_0 and Q8_0"));
  }
  SynthModel model(shape);
  model.metadata_ = HyperparametersOf(shape, options.type);
  model.metadata_.merge(SynthVocabulary(shape.vocabulary));
  model.tensors_ = TensorsOf(shape, options.type);
  model.rope_factors_ = RopeFactors(shape);
  uint64_t matrix_count = 0;
  for (const GgufTensor& tensor : model.tensors_) {
    model.index_.emplace(tensor.name, model.index_.size());
    model.weights_.emplace_back();
    if (tensor.dims.size() == 1) continue;
    const double spread = 1 / std::sqrt(static_cast<double>(tensor.cols()));
    const uint64_t seed = SynthRandom(options.seed, matrix_count++);
    model.weights_.back().emplace(tensor.type, spread, seed);
  }
  return model;
}

size_t SynthModel::IndexOf(absl::string_view tensor) const {
  const auto found = index_.find(tensor);
  SHOAL_CHECK(found != index_.end(), tensor);
  return found->second;
}

void SynthModel::Fill(size_t tensor_idx, uint64_t offset_bytes,
                      std::span<std::byte> to) const {
  SHOAL_CHECK(tensor_idx < tensors_.size(), tensor_idx);
  if (weights_[tensor_idx]) {
    const SynthWeights& weights = *weights_[tensor_idx];
    weights.Fill(offset_bytes / weights.block_bytes(), to);
    return;
  }
  const bool is_rope = tensors_[tensor_idx].name == kRopeFactors;
  for (uint64_t i = 0; i < to.size() / sizeof(float); ++i) {
    const uint64_t idx = offset_bytes / sizeof(float) + i;
    const float value = is_rope ? rope_factors_[idx] : 1.0f;
    std::memcpy(to.data() + i * sizeof(float), &value, sizeof(float));
  }
}

absl::Status Synthesize(const SynthOptions& options, SynthProgress progress) {
  SHOAL_ASSIGN_OR_RETURN(const SynthModel model, SynthModel::Create(options));
  uint64_t total_bytes = 0;
  for (const GgufTensor& tensor : model.tensors()) {
    total_bytes += kernels::BytesOf(tensor.type, tensor.cols() * tensor.rows());
  }
  uint64_t done_bytes = 0;
  return WriteGgufFile(options.path, model.metadata(), model.tensors(),
                       [&](const GgufTensor& tensor, uint64_t offset_bytes,
                           std::span<std::byte> chunk) {
                         model.Fill(model.IndexOf(tensor.name), offset_bytes,
                                    chunk);
                         done_bytes += chunk.size();
                         progress(done_bytes, total_bytes);
                         return absl::OkStatus();
                       });
}

}  // namespace shoal::model
