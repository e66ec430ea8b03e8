// Which vector tables an x86-64 processor can run.

#include <cpuid.h>

#include "kernels/avx2.h"
#include "kernels/avx512.h"
#include "kernels/isa.h"
#include "kernels/scalar.h"
#include "kernels/vnni.h"

namespace shoal::kernels {
namespace {

constexpr KernelTable kAvx2 = {
    .isa = "avx2",
    .layout = LayoutId::kTile16,
    .product = avx2::Product,
    .encode_a8 = avx2::EncodeA8,
    .rms_norm = avx2::RmsNorm,
    .layer_norm = avx2::LayerNorm,
    .silu_mul = avx2::SiluMul,
    .gelu_mul = avx2::GeluMul,
    .swiglu_clamped = avx2::SwigluClamped,
    .rope = avx2::Rope,
    .attention = avx2::Attention,
    .f32_to_f16 = avx2::F32ToF16,
};

constexpr KernelTable WithProduct(absl::string_view isa,
                                  decltype(KernelTable::product) product) {
  KernelTable table = kAvx2;
  table.isa = isa;
  table.product = product;
  return table;
}
constexpr KernelTable kAvxVnni = WithProduct("avxvnni", avxvnni::Product);
constexpr KernelTable kAvx512Vnni = [] {
  KernelTable table = WithProduct("avx512vnni", avx512vnni::Product);
  table.attention = avx512::Attention;
  table.silu_mul = avx512::SiluMul;
  return table;
}();

bool HasAvx2FmaF16c() {
  // The first two also ask the system whether it saves the wide registers.
  if (!__builtin_cpu_supports("avx2")) return false;
  if (!__builtin_cpu_supports("fma")) return false;
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool HasAvx512Vnni() {
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

// Leaf 7, subleaf 1, EAX bit 4 (Intel's instruction set reference, CPUID).
bool HasAvxVnni() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 &&
         (eax & (1u << 4)) != 0;
}

}  // namespace

std::vector<const KernelTable*> VectorKernels() {
  std::vector<const KernelTable*> tables;
  if (!HasAvx2FmaF16c()) return tables;
  if (HasAvx512Vnni()) tables.push_back(&kAvx512Vnni);
  if (HasAvxVnni()) tables.push_back(&kAvxVnni);
  tables.push_back(&kAvx2);
  return tables;
}

}  // namespace shoal::kernels
