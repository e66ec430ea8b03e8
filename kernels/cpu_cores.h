// The cores of this machine, and which of them are worth computing on.

#ifndef SHOAL_KERNELS_CPU_CORES_H_
#define SHOAL_KERNELS_CPU_CORES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace shoal::kernels {

// Numbers as the system counts cores.
struct CpuCores {
  std::vector<uint32_t> all;  // those that this process may use; never empty
  // Those of about the largest capacity; the same as `all` unless the chip is
  // hybrid (big.LITTLE, performance and efficiency cores). The parts of a
  // product are handed out one by one, but the last of each is waited for, and
  // a small core ends it late.
  std::vector<uint32_t> big;

  bool hybrid() const { return big.size() < all.size(); }
};

// `root` and `allowed` are for tests: where the system describes its cores, and
// what stands for the process's own mask if not empty.
CpuCores ReadCpuCores(const std::string& root = "/sys/devices/system/cpu",
                      std::span<const uint32_t> allowed = {});

// Where so many threads should keep to: the big cores of a hybrid chip if there
// are enough of them; empty: anywhere.
std::vector<uint32_t> CoresFor(const CpuCores& cores, uint32_t threads);

// Keeps the calling thread to `cores`. False if the system refuses.
bool BindThisThread(std::span<const uint32_t> cores);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_CPU_CORES_H_
