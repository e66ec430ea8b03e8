#include "worker/cpu_rates.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "kernels/activations.h"
#include "memory/process_memory.h"

namespace shoal::worker {
namespace {

using kernels::Encoding;
using kernels::ProductOutput;
using kernels::ThreadTeam;
using kernels::WeightMatrix;

constexpr int kSlices = 5;
constexpr int kSustained = 20;
// As computing units hands them out.
constexpr uint32_t kTaskRows = 64;
constexpr uint64_t kReadTaskBytes = 128 * base::kKiB;
constexpr uint64_t kReadTasks = 64;
// A loop on registers: some tenths of a millisecond.
constexpr uint64_t kPeakRoundsPerTask = 20000;
static_assert(kPeakRoundsPerTask <= kernels::kPeakRoundsMax);
// Prefetching helps some processors and hinders others.
constexpr uint64_t kReadAheads[] = {0, 512, 1024, 2048, 4096};
// Small products go together, as the units of a layer do.
constexpr uint64_t kBatchMacs = uint64_t{16} << 20;
constexpr uint64_t kBatchMax = 16;

// Small positive numbers for every type in every layout, none of them so small
// that a processor handles it apart.
constexpr int kFill = 0x11;

double RunsPerSecond(absl::Duration time, absl::FunctionRef<void()> work) {
  const absl::Time start = absl::Now();
  uint64_t runs = 0;
  absl::Duration taken;
  do {
    work();
    ++runs;
    taken = absl::Now() - start;
  } while (taken < time);
  return static_cast<double>(runs) / absl::ToDoubleSeconds(taken);
}

uint64_t LastCacheBytes() {
  uint64_t largest = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file(absl::StrCat("/sys/devices/system/cpu/cpu0/cache/index",
                                    index, "/size"));
    std::string text;
    if (!(file >> text)) break;
    const auto bytes = base::ParseByteSize(text);  // such as 36608K
    if (bytes.ok()) largest = std::max(largest, *bytes);
  }
  return largest;
}

void FillActivations(const kernels::KernelTable& table,
                     kernels::ActivationBuffer& input) {
  const std::vector<float> values(input.cols(), 0.5f);
  for (uint32_t t = 0; t < input.tokens(); ++t) {
    if (input.encoding() == Encoding::kF32) {
      std::copy(values.begin(), values.end(), input.values(t));
    } else {
      table.encode_a8(values.data(), input.cols(), input.quants(t),
                      input.scales(t), input.sums(t));
    }
  }
}

}  // namespace

LimitShare ShareOf(const ProductCase& product, const ProductRate& rate,
                   const CpuLimits& limits) {
  const bool is_float = product.encoding == Encoding::kF32;
  const double read_share = rate.weight_bytes / limits.read_bytes;
  const double mac_share =
      rate.macs / (is_float ? limits.float_macs : limits.integer_macs);
  LimitShare share;
  share.share = std::max(read_share, mac_share);
  if (read_share >= mac_share) {
    share.limit = LimitShare::Limit::kRead;
  } else {
    share.limit =
        is_float ? LimitShare::Limit::kFloat : LimitShare::Limit::kInteger;
  }
  return share;
}

uint64_t WorkingBytesBeyondCaches() {
  const uint64_t wanted = std::max(4 * LastCacheBytes(), 64 * base::kMiB);
  const auto machine = memory::ReadMachineMemory();
  if (!machine.ok()) return wanted;
  return std::min(wanted, machine->available_bytes / 4);
}

CpuMeter::CpuMeter(const Options& options, memory::Slab weights)
    : options_(options),
      loops_(kernels::PeakLoopsFor(options.kernels->isa)),
      weights_(std::move(weights)) {
  std::memset(weights_.data(), kFill, weights_.size());
}

absl::StatusOr<std::unique_ptr<CpuMeter>> CpuMeter::Create(
    const Options& options) {
  SHOAL_ASSIGN_OR_RETURN(memory::Slab weights,
                         memory::Slab::Create(options.working_bytes));
  return std::unique_ptr<CpuMeter>(new CpuMeter(options, std::move(weights)));
}

double CpuMeter::BestRate(double amount, absl::FunctionRef<void()> work) const {
  work();  // brings the memory in and the threads up
  double best = 0;
  for (int slice = 0; slice < kSlices; ++slice) {
    best = std::max(best, amount * RunsPerSecond(options_.time / kSlices, work));
  }
  return best;
}

void CpuMeter::MeasureRead(ThreadTeam& team, CpuLimits& limits) {
  const uint64_t task_bytes = std::min(kReadTaskBytes, weights_.size());
  const uint64_t areas = weights_.size() / task_bytes;
  // Few enough that a run is as short as one of a product: on a machine that
  // has something else to do, both then find the same undisturbed moments.
  const uint64_t tasks = std::min(areas, kReadTasks);
  const auto bytes = static_cast<double>(tasks * task_bytes);
  uint64_t next = 0;
  uint64_t ahead = 0;
  const auto read = [&] {
    team.Run(static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t) {
      const uint64_t area = (next + task) % areas;
      // Stored, so that the reading cannot be left out.
      volatile uint64_t sum =
          loops_.read(weights_.data() + area * task_bytes, task_bytes, ahead);
      (void)sum;
    });
    next = (next + tasks) % areas;
  };
  uint64_t best_ahead = 0;
  for (const uint64_t tried : kReadAheads) {
    ahead = tried;
    const double rate = BestRate(bytes, read);
    if (rate > limits.read_bytes) {
      limits.read_bytes = rate;
      best_ahead = tried;
    }
  }
  ahead = best_ahead;
  limits.sustained_read_bytes =
      bytes * RunsPerSecond(kSustained * options_.time, read);
}

CpuLimits CpuMeter::MeasureLimits(ThreadTeam& team) {
  CpuLimits limits;
  limits.threads = team.member_count();
  MeasureRead(team, limits);
  const uint32_t tasks = 4 * team.member_count();
  const auto peak = [&](uint64_t (*loop)(uint64_t)) {
    const auto macs = static_cast<double>(loop(kPeakRoundsPerTask));
    return BestRate(tasks * macs, [&] {
      team.Run(tasks, [&](uint32_t, uint32_t) {
        volatile uint64_t sum = loop(kPeakRoundsPerTask);
        (void)sum;
      });
    });
  };
  limits.integer_macs = peak(loops_.integer_macs);
  limits.float_macs = peak(loops_.float_macs);
  return limits;
}

ProductRate CpuMeter::MeasureProduct(ThreadTeam& team,
                                     const ProductCase& product) {
  const kernels::KernelTable& table = *options_.kernels;
  WeightMatrix weights{product.type, table.layout, product.rows, product.cols,
                       nullptr};
  const uint64_t bytes = weights.bytes();
  const uint64_t copies = weights_.size() / bytes;
  SHOAL_CHECK(copies > 0, bytes, " bytes of weights in ", weights_.size());
  const uint64_t macs = uint64_t{product.rows} * product.cols * product.tokens;
  const uint64_t batch =
      std::min(copies, std::clamp<uint64_t>(kBatchMacs / macs, 1, kBatchMax));
  kernels::ActivationBuffer input(product.encoding, product.tokens,
                                  product.cols);
  input.Resize(product.tokens);
  FillActivations(table, input);
  const uint64_t out_floats = uint64_t{product.tokens} * product.rows;
  std::vector<float> out(batch * out_floats);

  const uint32_t tasks = (product.rows + kTaskRows - 1) / kTaskRows;
  uint64_t next = 0;
  const double runs = BestRate(static_cast<double>(batch), [&] {
    const auto all = static_cast<uint32_t>(tasks * batch);
    team.Run(all, [&](uint32_t task, uint32_t) {
      const uint64_t item = task / tasks;
      WeightMatrix matrix = weights;
      matrix.data = weights_.data() + (next + item) % copies * bytes;
      const uint32_t begin = task % tasks * kTaskRows;
      table.product(
          matrix, begin, std::min(begin + kTaskRows, product.rows),
          input.View(),
          {ProductOutput::Mode::kStore, &out[item * out_floats], product.rows});
    });
    next = (next + batch) % copies;
  });
  return {runs * static_cast<double>(bytes), runs * static_cast<double>(macs)};
}

}  // namespace shoal::worker
