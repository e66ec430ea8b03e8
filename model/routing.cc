#include "model/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace shoal::model {
namespace {

void Softmax(std::span<double> values) {
  const double max = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (double& value : values) sum += value = std::exp(value - max);
  for (double& value : values) value /= sum;
}

}  // namespace

uint32_t RoutingCols(const PhaseSpec& phase) {
  return phase.routed() ? ScaleColumn(phase) + 1 : 0;
}

uint32_t ScaleColumn(const PhaseSpec& phase) {
  return phase.experts ? 2 * phase.experts->used : 0;
}

void Router::Choose(const ExpertsSpec& spec, std::span<float> scores,
                    std::span<const float> selection_bias,
                    std::span<float> row) {
  probabilities_.assign(scores.begin(), scores.end());
  if (spec.gating == Gating::kSoftmax) {
    Softmax(probabilities_);
  } else if (spec.gating == Gating::kSigmoid) {
    for (double& p : probabilities_) p = 1 / (1 + std::exp(-p));
  }
  selection_ = probabilities_;
  for (size_t i = 0; i < selection_bias.size(); ++i) {
    selection_[i] += selection_bias[i];
  }
  order_.resize(scores.size());
  std::iota(order_.begin(), order_.end(), 0u);
  const auto chosen_end = order_.begin() + spec.used;
  // A score that is no number comes last, so that the order is one.
  const auto rank = [this](uint32_t e) {
    return std::isnan(selection_[e]) ? -INFINITY : selection_[e];
  };
  std::partial_sort(order_.begin(), chosen_end, order_.end(),
                    [&](uint32_t a, uint32_t b) {
                      return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
                    });
  std::vector<double>& weights = selection_;
  weights.resize(spec.used);
  for (uint32_t i = 0; i < spec.used; ++i) {
    weights[i] = probabilities_[order_[i]];
  }
  if (spec.gating == Gating::kSoftmaxChosen) Softmax(weights);
  double factor = spec.weight_scale;
  if (spec.normalize) {
    factor /= std::accumulate(weights.begin(), weights.end(), 0.0);
  }
  for (uint32_t i = 0; i < spec.used; ++i) {
    row[2 * i] = static_cast<float>(order_[i]);
    row[2 * i + 1] = static_cast<float>(weights[i] * factor);
  }
}

bool RoutingIsValid(const PhaseSpec& phase, std::span<const float> row) {
  if (!phase.experts) return true;
  const auto count = static_cast<float>(phase.experts->count());
  for (uint32_t i = 0; i < phase.experts->used; ++i) {
    const float expert = row[2 * i];
    if (!(expert >= 0 && expert < count) || expert != std::floor(expert)) {
      return false;
    }
  }
  return true;
}

}  // namespace shoal::model
