#include "model/synth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf.h"
#include "model/gguf_writer.h"
#include "model/synth_random.h"
#include "model/synth_shape.h"
#include "model/synth_vocabulary.h"
#include "model/synth_weights.h"

namespace shoal::model {
namespace {

using kernels::WeightType;

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

// Makes the bytes of one tensor after the other.
class Filler {
 public:
  Filler(const SynthShape& shape, uint64_t seed)
      : seed_(seed), rope_factors_(RopeFactors(shape)) {}

  void Fill(const GgufTensor& tensor, uint64_t offset_bytes,
            std::span<std::byte> chunk) {
    if (tensor.type == WeightType::kF32) {
      FillVector(tensor, offset_bytes, chunk);
      return;
    }
    if (offset_bytes == 0) {
      const double spread = 1 / std::sqrt(static_cast<double>(tensor.cols()));
      weights_.emplace(tensor.type, spread, SynthRandom(seed_, tensor_count_));
      ++tensor_count_;
    }
    weights_->Fill(offset_bytes / kernels::InfoOf(tensor.type).block_bytes,
                   chunk);
  }

 private:
  void FillVector(const GgufTensor& tensor, uint64_t offset_bytes,
                  std::span<std::byte> chunk) const {
    const bool is_rope = tensor.name == "rope_freqs.weight";
    for (uint64_t i = 0; i < chunk.size() / sizeof(float); ++i) {
      const uint64_t idx = offset_bytes / sizeof(float) + i;
      const float value = is_rope ? rope_factors_[idx] : 1.0f;
      std::memcpy(chunk.data() + i * sizeof(float), &value, sizeof(float));
    }
  }

  const uint64_t seed_;
  const std::vector<float> rope_factors_;
  uint64_t tensor_count_ = 0;  // of matrices begun
  std::optional<SynthWeights> weights_;
};

}  // namespace

absl::Status Synthesize(const SynthOptions& options, SynthProgress progress) {
  SHOAL_ASSIGN_OR_RETURN(const SynthShape shape, FindSynthShape(options.shape));
  if (!SynthWeights::Supports(options.type)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "random weights of type ", kernels::InfoOf(options.type).name,
        " cannot be made; allowed are F16, Q4_0 and Q8_0"));
  }
  GgufMetadata metadata = HyperparametersOf(shape, options.type);
  metadata.merge(SynthVocabulary(shape.vocabulary));
  std::vector<GgufTensor> tensors = TensorsOf(shape, options.type);
  uint64_t total_bytes = 0;
  for (const GgufTensor& tensor : tensors) {
    total_bytes += kernels::BytesOf(tensor.type, tensor.cols() * tensor.rows());
  }

  Filler filler(shape, options.seed);
  uint64_t done_bytes = 0;
  return WriteGgufFile(options.path, metadata, std::move(tensors),
                       [&](const GgufTensor& tensor, uint64_t offset_bytes,
                           std::span<std::byte> chunk) {
                         filler.Fill(tensor, offset_bytes, chunk);
                         done_bytes += chunk.size();
                         progress(done_bytes, total_bytes);
                         return absl::OkStatus();
                       });
}

}  // namespace shoal::model
