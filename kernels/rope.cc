#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace shoal::kernels {
namespace {

// YaRN's share of the unscaled frequency for each pair: 1 up to `low`, 0 from
// `high`, a straight line between.
struct Ramp {
  double low;
  double high;

  double At(uint32_t pair) const {
    const double width = std::max(0.001, high - low);
    return 1.0 - std::clamp((pair - low) / width, 0.0, 1.0);
  }
};

Ramp YarnRamp(const RopeParameters& p) {
  // The pair that makes `turns` full turns within the original context.
  const auto pair_of_turns = [&p](double turns) {
    return p.rotary_dim *
           std::log(p.original_context / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(p.base));
  };
  return {std::max(0.0, std::floor(pair_of_turns(p.beta_fast))),
          std::min(p.rotary_dim - 1.0, std::ceil(pair_of_turns(p.beta_slow)))};
}

}  // namespace

void RopeAngles(const RopeParameters& parameters, uint32_t position,
                std::span<float> cos_sin) {
  const RopeParameters& p = parameters;
  const uint32_t pairs = p.rotary_dim / 2;
  SHOAL_CHECK(p.rotary_dim % 2 == 0 && cos_sin.size() == p.rotary_dim,
              p.rotary_dim, " and ", cos_sin.size());
  SHOAL_CHECK(
      p.frequency_factors.empty() || p.frequency_factors.size() == pairs,
      p.frequency_factors.size(), " factors for ", pairs, " pairs");
  const bool yarn = p.extension_factor != 0.0;
  double magnitude = p.attention_factor;
  Ramp ramp{0.0, 0.0};
  if (yarn) {
    ramp = YarnRamp(p);
    magnitude *= 1.0 + 0.1 * std::log(1.0 / p.frequency_scale);
  }
  for (uint32_t pair = 0; pair < pairs; ++pair) {
    double frequency = std::pow(p.base, -2.0 * pair / p.rotary_dim);
    if (!p.frequency_factors.empty()) frequency /= p.frequency_factors[pair];
    double scaled = frequency * p.frequency_scale;
    if (yarn) {
      const double mix = ramp.At(pair) * p.extension_factor;
      scaled = scaled * (1.0 - mix) + frequency * mix;
    }
    const double angle = scaled * position;
    cos_sin[2 * pair] = static_cast<float>(std::cos(angle) * magnitude);
    cos_sin[2 * pair + 1] = static_cast<float>(std::sin(angle) * magnitude);
  }
}

}  // namespace shoal::kernels
