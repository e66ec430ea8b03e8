// Rates of the matrix products: bytes of weights per second for one token,
// multiply-adds per second for many.
//
// Arguments: GGUF type id, rows, columns, tokens, threads. The weights are
// copied until they exceed every cache, and walked in turn, as decoding does.
//
// BM_ProductOfPeak multiplies one matrix again and again on one thread, and
// measures the peak of integer multiply-adds before and after each product,
// because both change with what else the machine does:
//   product_bench --benchmark_filter=OfPeak
// Its counters are shares of the peak: the median, and the quarter and the
// tenth of the products that were disturbed least. Arguments: GGUF type id,
// rows, columns, tokens, whether products are added to sums in double.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/kernel_table.h"
#include "kernels/peak.h"
#include "kernels/thread_team.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

constexpr uint64_t kWorkingSetBytes = 160 << 20;
constexpr uint32_t kRowsPerTask = 4 * kTileRows;

void BM_Product(benchmark::State& state) {
  const auto type = static_cast<WeightType>(state.range(0));
  const auto rows = static_cast<uint32_t>(state.range(1));
  const auto cols = static_cast<uint32_t>(state.range(2));
  const auto tokens = static_cast<uint32_t>(state.range(3));
  const auto team = ThreadTeam::Create(static_cast<uint32_t>(state.range(4)));
  const KernelTable& table = **SelectKernels("auto");
  std::mt19937 random(1);
  const auto canonical = testing::RandomWeights(type, rows, cols, random);
  const auto packed = testing::Packed(table, type, rows, cols, canonical);
  const uint64_t copies = kWorkingSetBytes / packed.size() + 1;
  std::vector<std::byte> storage(copies * packed.size());
  for (uint64_t i = 0; i < copies; ++i) {
    std::copy(packed.begin(), packed.end(),
              storage.begin() + i * packed.size());
  }
  const auto input =
      testing::MakeActivations(InfoOf(type).encoding, tokens, cols, random);
  std::vector<float> out(uint64_t{tokens} * rows);
  const ProductOutput output = {ProductOutput::Mode::kStore, out.data(), rows};
  uint64_t copy = 0;
  for (auto _ : state) {
    const WeightMatrix matrix = {type, table.layout, rows, cols,
                                 &storage[copy * packed.size()]};
    const uint32_t tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
    team->Run(tasks, [&](uint32_t task, uint32_t) {
      const uint32_t begin = task * kRowsPerTask;
      table.product(matrix, begin, std::min(begin + kRowsPerTask, rows),
                    input.View(), output);
    });
    copy = (copy + 1) % copies;
  }
  const auto iterations = static_cast<double>(state.iterations());
  state.SetLabel(std::string(InfoOf(type).name));
  state.counters["GMAC/s"] = benchmark::Counter(
      iterations * rows * cols * tokens * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] =
      benchmark::Counter(iterations * static_cast<double>(packed.size()) * 1e-9,
                         benchmark::Counter::kIsRate);
}

double SecondsOf(absl::FunctionRef<void()> work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  return seconds.count();
}

// Multiply-adds per second of the loop on registers, over about 2 ms.
double IntegerPeak(const KernelTable& table) {
  constexpr uint64_t kRounds = uint64_t{1} << 15;
  const PeakLoops& loops = PeakLoopsFor(table.isa);
  uint64_t macs = 0;
  const double seconds = SecondsOf([&] { macs = loops.integer_macs(kRounds); });
  return static_cast<double>(macs) / seconds;
}

void BM_ProductOfPeak(benchmark::State& state) {
  const auto type = static_cast<WeightType>(state.range(0));
  const auto rows = static_cast<uint32_t>(state.range(1));
  const auto cols = static_cast<uint32_t>(state.range(2));
  const auto tokens = static_cast<uint32_t>(state.range(3));
  const KernelTable& table = **SelectKernels("auto");
  std::mt19937 random(1);
  const auto canonical = testing::RandomWeights(type, rows, cols, random);
  const auto packed = testing::Packed(table, type, rows, cols, canonical);
  const auto input =
      testing::MakeActivations(InfoOf(type).encoding, tokens, cols, random);
  const WeightMatrix matrix = {type, table.layout, rows, cols, packed.data()};
  std::vector<double> out(uint64_t{tokens} * rows);
  const ProductOutput output = {state.range(4) != 0
                                    ? ProductOutput::Mode::kAddF64
                                    : ProductOutput::Mode::kStore,
                                out.data(), rows};
  std::vector<double> shares;
  double peak_before = IntegerPeak(table);
  for (auto _ : state) {
    const double seconds = SecondsOf([&] {
      for (uint32_t row = 0; row < rows; row += kRowsPerTask) {
        table.product(matrix, row, std::min(row + kRowsPerTask, rows),
                      input.View(), output);
      }
    });
    state.SetIterationTime(seconds);
    const double peak = IntegerPeak(table);
    shares.push_back(double{1} * rows * cols * tokens / seconds /
                     ((peak_before + peak) / 2));
    peak_before = peak;
  }
  std::sort(shares.begin(), shares.end());
  state.SetLabel(std::string(InfoOf(type).name));
  state.counters["median"] = shares[shares.size() / 2];
  state.counters["upper quarter"] = shares[shares.size() * 3 / 4];
  state.counters["upper tenth"] = shares[shares.size() * 9 / 10];
}

// What the memory gives to a plain sum over the same working set.
void BM_MemoryRead(benchmark::State& state) {
  const auto team = ThreadTeam::Create(static_cast<uint32_t>(state.range(0)));
  std::vector<uint64_t> storage(kWorkingSetBytes / 8, 1);
  constexpr uint32_t kTasks = 64;
  const uint64_t words = storage.size() / kTasks;
  for (auto _ : state) {
    team->Run(kTasks, [&](uint32_t task, uint32_t) {
      uint64_t sums[8] = {};
      for (uint64_t i = 0; i < words; i += 8) {
        for (uint64_t k = 0; k < 8; ++k) {
          sums[k] += storage[task * words + i + k];
        }
      }
      for (const uint64_t sum : sums) benchmark::DoNotOptimize(sum);
    });
  }
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * kWorkingSetBytes * 1e-9,
      benchmark::Counter::kIsRate);
}

void ProductCases(benchmark::internal::Benchmark* bench) {
  for (const WeightType type : SupportedWeightTypes()) {
    for (const int64_t tokens : {1, 4, 128}) {
      for (const int64_t threads : {1, 2}) {
        bench->Args({static_cast<int64_t>(type), 5632, 2048, tokens, threads});
      }
    }
  }
  const auto q4_0 = static_cast<int64_t>(WeightType::kQ4_0);
  bench->Args({q4_0, 2048, 2048, 1, 2});
  bench->Args({q4_0, 2048, 5632, 1, 2});
}

void OfPeakCases(benchmark::internal::Benchmark* bench) {
  for (const WeightType type :
       {WeightType::kQ4_0, WeightType::kQ8_0, WeightType::kQ4_K,
        WeightType::kQ6_K, WeightType::kMXFP4, WeightType::kQ2_K,
        WeightType::kQ3_K, WeightType::kQ5_K}) {
    bench->Args({static_cast<int64_t>(type), 2048, 2048, 128, 0});
    bench->Args({static_cast<int64_t>(type), 2048, 256, 128, 1});
  }
}

BENCHMARK(BM_ProductOfPeak)
    ->Apply(OfPeakCases)
    ->Iterations(200)
    ->UseManualTime();
BENCHMARK(BM_MemoryRead)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_Product)->Apply(ProductCases)->UseRealTime();

}  // namespace
}  // namespace shoal::kernels
