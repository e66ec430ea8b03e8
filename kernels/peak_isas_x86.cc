// Which loops an x86-64 processor runs.

#include <cpuid.h>

#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

// __builtin_cpu_supports() also asks whether the system saves the registers,
// but does not know AVX-VNNI by name in every compiler.
bool HasAvxVnni() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 &&
         (eax & (1u << 4)) != 0;
}

}  // namespace

std::vector<const PeakLoops*> VectorPeakLoops() {
  std::vector<const PeakLoops*> loops;
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (__builtin_cpu_supports("avx512vnni")) loops.push_back(&kPeakAvx512Vnni);
  if (has_avx2 && HasAvxVnni()) loops.push_back(&kPeakAvxVnni);
  if (has_avx2) loops.push_back(&kPeakAvx2);
  return loops;
}

}  // namespace shoal::kernels
