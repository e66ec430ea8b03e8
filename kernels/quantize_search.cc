#include "kernels/quantize_search.h"

#include <algorithm>
#include <cmath>

namespace shoal::kernels {
namespace {

// Candidates on both sides of the scale that maps the largest value to the
// end of the range, in steps of the quotient.
constexpr int kSteps = 9;
constexpr double kStep = 0.1;

float LargestOf(std::span<const float> values) {
  return *std::max_element(values.begin(), values.end(), [](float a, float b) {
    return std::abs(a) < std::abs(b);
  });
}

// What a choice of codes takes off the sum of squares, with the best scale for
// it: (sum x q)^2 / sum q^2.
struct Fit {
  double xq = 0;
  double qq = 0;

  void Add(double x, double q) {
    xq += x * q;
    qq += q * q;
  }
  double Gain() const { return qq > 0 ? xq * xq / qq : 0; }
  float Scale() const { return qq > 0 ? static_cast<float>(xq / qq) : 0.0f; }
};

// The best of fits made with inverse scales around end / largest, for the
// values at both ends of a range.
template <typename Code>
float Search(std::span<const float> values, double first_end, double second_end,
             const Code& code) {
  const double largest = LargestOf(values);
  if (largest == 0) return 0;
  Fit best;
  for (const double end : {first_end, second_end}) {
    for (int step = -kSteps; step <= kSteps; ++step) {
      const double inverse = (end + step * kStep * std::abs(end) / 8) / largest;
      Fit fit;
      for (const float x : values) fit.Add(x, code(x * inverse));
      if (fit.Gain() > best.Gain()) best = fit;
    }
  }
  return best.Scale();
}

}  // namespace

int Nearest(float value, int low, int high) {
  if (std::isnan(value)) return 0;
  const auto bound = [](int limit) { return static_cast<float>(limit); };
  return static_cast<int>(
      std::nearbyint(std::clamp(value, bound(low), bound(high))));
}

uint8_t NearestCode(const int8_t (&table)[16], float value) {
  uint8_t best = 0;
  for (uint8_t code = 1; code < 16; ++code) {
    const float now = std::abs(value - static_cast<float>(table[code]));
    const float before = std::abs(value - static_cast<float>(table[best]));
    if (now < before) best = code;
  }
  return best;
}

float BestScale(std::span<const float> values, int low, int high) {
  return Search(values, low, high, [&](double x) {
    return static_cast<double>(Nearest(static_cast<float>(x), low, high));
  });
}

float BestTableScale(std::span<const float> values, const int8_t (&table)[16]) {
  return Search(values, table[0], table[15], [&](double x) {
    return static_cast<double>(
        table[NearestCode(table, static_cast<float>(x))]);
  });
}

ScaleAndMin BestScaleAndMin(std::span<const float> values, int high) {
  const auto [low_at, high_at] =
      std::minmax_element(values.begin(), values.end());
  const double min = std::min(*low_at, 0.0f);
  const double max = *high_at;
  if (max <= min) return {0, static_cast<float>(-min)};
  ScaleAndMin best;
  double best_error = INFINITY;
  const auto consider = [&](double scale, double offset) {
    if (!(scale > 0) || offset > 0) return;
    double error = 0;
    for (const float x : values) {
      const int q = Nearest(static_cast<float>((x - offset) / scale), 0, high);
      const double off = x - (scale * q + offset);
      error += off * off;
    }
    if (error >= best_error) return;
    best_error = error;
    best = {static_cast<float>(scale), static_cast<float>(-offset)};
  };
  consider((max - min) / high, min);
  for (int step = -kSteps; step <= kSteps; ++step) {
    // Codes by one candidate, then the line that fits them best.
    const double inverse = (high + step * kStep * high / 8.0) / (max - min);
    double n = 0, sq = 0, sqq = 0, sx = 0, sxq = 0;
    for (const float x : values) {
      const int q = Nearest(static_cast<float>((x - min) * inverse), 0, high);
      n += 1;
      sq += q;
      sqq += double{1} * q * q;
      sx += x;
      sxq += double{x} * q;
    }
    const double determinant = n * sqq - sq * sq;
    if (determinant <= 0) continue;
    const double scale = (n * sxq - sq * sx) / determinant;
    const double offset = (sx - scale * sq) / n;
    if (offset > 0) {
      consider(sqq > 0 ? sxq / sqq : 0, 0);
    } else {
      consider(scale, offset);
    }
  }
  return best;
}

}  // namespace shoal::kernels
