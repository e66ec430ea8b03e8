// The vector table of 64-bit ARM processors; all of them can run it.

#include "kernels/isa.h"
#include "kernels/neon.h"
#include "kernels/scalar.h"

namespace shoal::kernels {
namespace {

// Rotation and conversion are a small part of a pass and plain loops, which
// compilers turn into vectors by themselves.
constexpr KernelTable kNeon = {
    .isa = "neon",
    .layout = LayoutId::kTile16,
    .product = neon::Product,
    .encode_a8 = neon::EncodeA8,
    .rms_norm = neon::RmsNorm,
    .layer_norm = scalar::LayerNorm,
    .silu_mul = neon::SiluMul,
    .gelu_mul = scalar::GeluMul,
    .swiglu_clamped = scalar::SwigluClamped,
    .rope = scalar::Rope,
    .attention = neon::Attention,
    .f32_to_f16 = scalar::F32ToF16,
};

}  // namespace

std::vector<const KernelTable*> VectorKernels() { return {&kNeon}; }

}  // namespace shoal::kernels
