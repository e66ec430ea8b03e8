// Choosing the scale of a few weights.

#ifndef SHOAL_KERNELS_QUANTIZE_SEARCH_H_
#define SHOAL_KERNELS_QUANTIZE_SEARCH_H_

#include <cstdint>
#include <span>

namespace shoal::kernels {

// The scale d, of either sign, with which the integers of [low, high] times d
// come nearest to `values` in the sum of squares. 0 if all values are 0.
// REQUIRES: low < 0 < high, -low >= high.
float BestScale(std::span<const float> values, int low, int high);

// Likewise with scale * q - min for q in [0, high]; scale and min are not
// negative.
struct ScaleAndMin {
  float scale = 0;
  float min = 0;
};
ScaleAndMin BestScaleAndMin(std::span<const float> values, int high);

// Likewise with the values of a table of 16 ascending codes.
float BestTableScale(std::span<const float> values, const int8_t (&table)[16]);

// The code whose value is nearest.
uint8_t NearestCode(const int8_t (&table)[16], float value);

// The nearest integer in [low, high], ties to even; 0 for 0 / 0.
int Nearest(float value, int low, int high);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_QUANTIZE_SEARCH_H_
