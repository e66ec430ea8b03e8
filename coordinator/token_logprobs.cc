#include "coordinator/token_logprobs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace shoal::coordinator {
namespace {

// For probabilities that are 0: JSON knows no infinity.
constexpr float kLowest = -9999.0f;

std::vector<int32_t> BestOf(std::span<const float> logits, size_t count_max) {
  std::vector<int32_t> best;
  if (count_max == 0) return best;
  best.reserve(count_max + 1);
  const auto logit = [&](int32_t id) {
    return logits[static_cast<size_t>(id)];
  };
  for (size_t i = 0; i < logits.size(); ++i) {
    if (best.size() == count_max && logits[i] <= logit(best.back())) continue;
    // Behind those that are as good: they have lower ids.
    const auto place = std::upper_bound(
        best.begin(), best.end(), logits[i],
        [&](float value, int32_t id) { return value > logit(id); });
    best.insert(place, static_cast<int32_t>(i));
    if (best.size() > count_max) best.pop_back();
  }
  return best;
}

}  // namespace

ChoiceLogprobs LogprobsOf(std::span<const float> logits, int32_t id,
                          uint32_t top_count,
                          const model::Tokenizer& tokenizer) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - best);
  const double normalizer = best + std::log(sum);
  const auto of = [&](int32_t token) {
    TokenLogprob result;
    result.id = token;
    tokenizer.AppendPiece(token, model::SpecialText::kShow, result.bytes);
    result.logprob = std::max(
        kLowest, static_cast<float>(double{logits[static_cast<size_t>(token)]} -
                                    normalizer));
    return result;
  };
  ChoiceLogprobs choice{of(id), {}};
  for (const int32_t best_id : BestOf(logits, top_count)) {
    choice.top.push_back(of(best_id));
  }
  return choice;
}

}  // namespace shoal::coordinator
