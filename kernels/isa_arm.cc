// The vector tables of 64-bit ARM processors, all of which can run the last.

#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/isa.h"
#include "kernels/neon.h"

namespace shoal::kernels {
namespace {

using Product = decltype(KernelTable::product);

constexpr KernelTable TableWith(absl::string_view isa, Product product) {
  return {
      .isa = isa,
      .layout = LayoutId::kTile16,
      .product = product,
      .encode_a8 = neon::EncodeA8,
      .rms_norm = neon::RmsNorm,
      .layer_norm = neon::LayerNorm,
      .silu_mul = neon::SiluMul,
      .gelu_mul = neon::GeluMul,
      .swiglu_clamped = neon::SwigluClamped,
      .rope = neon::Rope,
      .attention = neon::Attention,
      .f32_to_f16 = neon::F32ToF16,
  };
}

constexpr KernelTable kI8mm = TableWith("neon-i8mm", neon::ProductI8mm);
constexpr KernelTable kDotprod =
    TableWith("neon-dotprod", neon::ProductDotprod);
constexpr KernelTable kNeon = TableWith("neon", neon::Product);

}  // namespace

std::vector<const KernelTable*> VectorKernels() {
  std::vector<const KernelTable*> tables = {&kNeon};
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) {
    tables.insert(tables.begin(), &kDotprod);
    // Uses dotprod too.
    if ((getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) {
      tables.insert(tables.begin(), &kI8mm);
    }
  }
  return tables;
}

}  // namespace shoal::kernels
