#include "kernels/cpu_cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

namespace shoal::kernels {
namespace {

// Capacities of big.LITTLE chips: 1024 for the largest, 250 to 500 for little
// ones, 600 and more for those between.
constexpr double kBigCapacity = 0.6;
// Highest frequencies differ by some per cent between cores of one kind, and
// by a quarter and more between kinds.
constexpr double kBigFrequency = 0.85;

std::vector<uint32_t> OwnCores() {
  std::vector<uint32_t> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool found = sched_getaffinity(0, sizeof(set), &set) == 0;
  for (uint32_t core = 0; found && core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  // Without an answer: all that there are, from the first on.
  const uint32_t count = std::max(1u, std::thread::hardware_concurrency());
  for (uint32_t core = 0; core < count && !found; ++core) {
    cores.push_back(core);
  }
  return cores;
}

// One number per core, or nothing if one is missing.
std::vector<double> ReadEach(const std::string& root,
                             const std::vector<uint32_t>& cores,
                             absl::string_view file) {
  std::vector<double> values;
  for (const uint32_t core : cores) {
    std::ifstream stream(absl::StrCat(root, "/cpu", core, "/", file));
    double value = 0;
    if (!(stream >> value)) return {};
    values.push_back(value);
  }
  return values;
}

}  // namespace

CpuCores ReadCpuCores(const std::string& root,
                      std::span<const uint32_t> allowed) {
  CpuCores cores;
  cores.all.assign(allowed.begin(), allowed.end());
  if (cores.all.empty()) cores.all = OwnCores();
  double share = kBigCapacity;
  std::vector<double> values = ReadEach(root, cores.all, "cpu_capacity");
  if (values.empty()) {
    share = kBigFrequency;
    values = ReadEach(root, cores.all, "cpufreq/cpuinfo_max_freq");
  }
  if (values.empty()) {
    cores.big = cores.all;
    return cores;
  }
  const double largest = *std::max_element(values.begin(), values.end());
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= share * largest) cores.big.push_back(cores.all[i]);
  }
  return cores;
}

std::vector<uint32_t> CoresFor(const CpuCores& cores, uint32_t threads) {
  if (!cores.hybrid() || threads > cores.big.size()) return {};
  return cores.big;
}

bool BindThisThread(std::span<const uint32_t> cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const uint32_t core : cores) {
    if (core < CPU_SETSIZE) CPU_SET(core, &set);
  }
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

}  // namespace shoal::kernels
