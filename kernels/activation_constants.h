// Constants of activation functions, for every instruction set.

#ifndef SHOAL_KERNELS_ACTIVATION_CONSTANTS_H_
#define SHOAL_KERNELS_ACTIVATION_CONSTANTS_H_

namespace shoal::kernels {

// GELU, tanh form: u = sqrt(2 / pi) * (x + 0.044715 x^3); the scale is twice
// the root.
inline constexpr float kGeluScale = 1.5957691216057308f;
inline constexpr float kGeluCubic = 0.044715f;

// gpt-oss.
inline constexpr float kSwigluAlpha = 1.702f;
inline constexpr float kSwigluLimit = 7.0f;

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ACTIVATION_CONSTANTS_H_
