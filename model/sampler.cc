#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::model {
namespace {

constexpr uint32_t kRepeatWindowMax = 1u << 20;

// `open` leaves out the lower end. A NaN is in no range.
absl::Status CheckRange(absl::string_view name, double value, double min,
                        double max, bool open) {
  if ((open ? value > min : value >= min) && value <= max) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is ", value, "; allowed is ", open ? "more than " : "at least ",
      min, " and at most ", max));
}

absl::Status CheckLogits(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  bool any = false;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] < kInfinity)) {
      return absl::InternalError(
          absl::StrCat("logit ", id, " of ", logits.size(), " is ", logits[id],
                       "; the model's weights or its computation are broken"));
    }
    any = any || logits[id] > -kInfinity;
  }
  if (any) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "all ", logits.size(), " logits are -inf; there is no token to choose"));
}

}  // namespace

absl::Status SamplingParameters::Validate() const {
  SHOAL_RETURN_IF_ERROR(
      CheckRange("repeat_penalty", repeat_penalty, 0, 100, /*open=*/true));
  SHOAL_RETURN_IF_ERROR(CheckRange("repeat_window", repeat_window, 0,
                                   kRepeatWindowMax, /*open=*/false));
  SHOAL_RETURN_IF_ERROR(CheckRange("top_p", top_p, 0, 1, /*open=*/true));
  SHOAL_RETURN_IF_ERROR(CheckRange("min_p", min_p, 0, 1, /*open=*/false));
  return CheckRange("temperature", temperature, 0, 100, /*open=*/false);
}

absl::StatusOr<Sampler> Sampler::Create(const SamplingParameters& parameters,
                                        int32_t vocab_size) {
  SHOAL_CHECK(vocab_size > 0);
  SHOAL_RETURN_IF_ERROR(parameters.Validate());
  return Sampler(parameters, vocab_size);
}

Sampler::Sampler(const SamplingParameters& parameters, int32_t vocab_size)
    : parameters_(parameters),
      vocab_size_(vocab_size),
      random_(parameters.seed) {
  candidates_.reserve(vocab_size);
  if (penalises()) window_.reserve(parameters.repeat_window);
}

bool Sampler::penalises() const {
  return parameters_.repeat_penalty != 1.0 && parameters_.repeat_window > 0;
}

void Sampler::Accept(int32_t id) {
  SHOAL_CHECK(id >= 0 && id < vocab_size_, "token id ", id);
  if (!penalises()) return;
  if (window_.size() < parameters_.repeat_window) {
    window_.push_back(id);
    return;
  }
  window_[window_next_] = id;
  window_next_ = (window_next_ + 1) % window_.size();
}

bool Sampler::Better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

absl::StatusOr<int32_t> Sampler::Sample(std::span<const float> logits) {
  SHOAL_CHECK(logits.size() == static_cast<size_t>(vocab_size_), "logits ",
              logits.size(), ", vocabulary ", vocab_size_);
  SHOAL_RETURN_IF_ERROR(CheckLogits(logits));
  FillCandidates(logits);
  if (parameters_.temperature == 0) {
    return std::min_element(candidates_.begin(), candidates_.end(), Better)->id;
  }
  KeepTopK();
  KeepTopP();
  KeepMinP();
  return Draw();
}

void Sampler::FillCandidates(std::span<const float> logits) {
  candidates_.clear();
  for (int32_t id = 0; id < vocab_size_; ++id) {
    candidates_.push_back({logits[id], id});
  }
  // Set from `logits` and not changed in place: a token that is in the window
  // twice is penalised once.
  const auto penalty = static_cast<float>(parameters_.repeat_penalty);
  for (const int32_t id : window_) {
    const float logit = logits[id];
    candidates_[id].logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void Sampler::KeepTopK() {
  if (parameters_.top_k == 0 || parameters_.top_k >= candidates_.size()) return;
  const auto end = candidates_.begin() + parameters_.top_k;
  std::nth_element(candidates_.begin(), end - 1, candidates_.end(), Better);
  candidates_.erase(end, candidates_.end());
}

void Sampler::KeepTopP() {
  if (parameters_.top_p >= 1) return;
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return Better(b, a);
  };
  std::make_heap(candidates_.begin(), candidates_.end(), worse);
  const float best = candidates_.front().logit;
  double total = 0;
  for (const Candidate& candidate : candidates_) {
    total += std::exp(static_cast<double>(candidate.logit) - best);
  }
  // Takes the best ones off the heap, to its end, until they are enough.
  auto heap_end = candidates_.end();
  double kept = 0;
  while (heap_end != candidates_.begin()) {
    std::pop_heap(candidates_.begin(), heap_end, worse);
    --heap_end;
    kept += std::exp(static_cast<double>(heap_end->logit) - best);
    if (kept >= parameters_.top_p * total) break;
  }
  candidates_.erase(candidates_.begin(), heap_end);
}

void Sampler::KeepMinP() {
  if (parameters_.min_p <= 0) return;
  const float best =
      std::min_element(candidates_.begin(), candidates_.end(), Better)->logit;
  const double least = best + std::log(parameters_.min_p);
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    return candidate.logit < least;
  });
}

int32_t Sampler::Draw() {
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  const float best =
      std::min_element(candidates_.begin(), candidates_.end(), Better)->logit;
  const auto weight = [&](const Candidate& candidate) {
    return std::exp((static_cast<double>(candidate.logit) - best) /
                    parameters_.temperature);
  };
  double total = 0;
  for (const Candidate& candidate : candidates_) total += weight(candidate);
  const double fraction =
      static_cast<double>(random_() >> 11) * 0x1p-53;  // in [0, 1)
  double left = fraction * total;
  int32_t last = candidates_.front().id;
  for (const Candidate& candidate : candidates_) {
    const double share = weight(candidate);
    if (share == 0) continue;
    last = candidate.id;
    if (left < share) break;
    left -= share;
  }
  return last;
}

}  // namespace shoal::model
