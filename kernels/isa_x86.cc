// Which vector tables an x86-64 processor can run.

#include <cpuid.h>

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/scalar.h"

namespace shoal::kernels {
namespace {

constexpr KernelTable kAvx2 = {
    .isa = "avx2",
    .layout = LayoutId::kTile16,
    .product = avx2::Product,
    .encode_a8 = avx2::EncodeA8,
    .rms_norm = avx2::RmsNorm,
    .layer_norm = scalar::LayerNorm,
    .silu_mul = avx2::SiluMul,
    .gelu_mul = avx2::GeluMul,
    .swiglu_clamped = avx2::SwigluClamped,
    .rope = avx2::Rope,
    .attention = avx2::Attention,
    .f32_to_f16 = avx2::F32ToF16,
};

bool HasAvx2FmaF16c() {
  // The first two also ask the system whether it saves the wide registers.
  if (!__builtin_cpu_supports("avx2")) return false;
  if (!__builtin_cpu_supports("fma")) return false;
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

}  // namespace

std::vector<const KernelTable*> VectorKernels() {
  std::vector<const KernelTable*> tables;
  if (HasAvx2FmaF16c()) tables.push_back(&kAvx2);
  return tables;
}

}  // namespace shoal::kernels
