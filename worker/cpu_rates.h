// Measures what the cores of this machine reach: their own limits, and the
// matrix products beside them.

#ifndef SHOAL_WORKER_CPU_RATES_H_
#define SHOAL_WORKER_CPU_RATES_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/kernel_table.h"
#include "kernels/peak.h"
#include "kernels/thread_team.h"
#include "memory/slab.h"

namespace shoal::worker {

// All of a team together, per second.
struct CpuLimits {
  uint32_t threads = 0;
  double read_bytes = 0;    // from memory, beyond the caches
  // The same without a pause over 20 times as long, disturbed moments and all:
  // what a walk through a whole model can have.
  double sustained_read_bytes = 0;
  double integer_macs = 0;  // multiply-adds of 8-bit integers, on registers
  double float_macs = 0;
};

// A product [rows, cols] x [cols, tokens].
struct ProductCase {
  kernels::WeightType type = kernels::WeightType::kQ8_0;
  kernels::Encoding encoding = kernels::Encoding::kA8;
  uint32_t rows = 0;
  uint32_t cols = 0;
  uint32_t tokens = 1;
};

struct ProductRate {
  double weight_bytes = 0;  // per second
  double macs = 0;
};

// The limit that binds a product, and how much of it was reached.
struct LimitShare {
  enum class Limit : uint8_t { kRead, kInteger, kFloat };
  Limit limit = Limit::kRead;
  double share = 0;  // 1: all of it
};
LimitShare ShareOf(const ProductCase& product, const ProductRate& rate,
                   const CpuLimits& limits);

// Rates but the sustained one are those of the least disturbed fifth of the
// time.
// Memory:  Options::working_bytes, and the results of one product.
// Threads: thread-compatible; the team is used by one call at a time.
class CpuMeter {
 public:
  struct Options {
    const kernels::KernelTable* kernels = nullptr;
    // Weights are walked through so much memory; beyond the last cache, else
    // rates are those of the cache. >= 64 KiB, and a product's weights must
    // fit.
    uint64_t working_bytes = 0;
    absl::Duration time = absl::Milliseconds(50);  // per rate, about
  };

  // Errors: kResourceExhausted  the system refuses the memory
  static absl::StatusOr<std::unique_ptr<CpuMeter>> Create(
      const Options& options);

  // With the loops of the table's instruction set.
  CpuLimits MeasureLimits(kernels::ThreadTeam& team);

  // REQUIRES: cols is a whole number of blocks of the type, and of 32.
  ProductRate MeasureProduct(kernels::ThreadTeam& team,
                             const ProductCase& product);

  const kernels::PeakLoops& loops() const { return loops_; }

 private:
  CpuMeter(const Options& options, memory::Slab weights);

  double BestRate(double amount, absl::FunctionRef<void()> work) const;
  void MeasureRead(kernels::ThreadTeam& team, CpuLimits& limits);

  const Options options_;
  const kernels::PeakLoops& loops_;
  memory::Slab weights_;
};

// Bytes to walk through so that no cache helps: 4 times the last one, at least
// 64 MiB, at most a quarter of the available memory.
uint64_t WorkingBytesBeyondCaches();

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_CPU_RATES_H_
