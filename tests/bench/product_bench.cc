// Rates of the matrix products: bytes of weights per second for one token,
// multiply-adds per second for many.
//
// Arguments: GGUF type id, rows, columns, tokens, threads. The weights are
// copied until they exceed every cache, and walked in turn, as decoding does.
//
// BM_ProductOfPeak multiplies on one thread, and measures the peak of integer
// multiply-adds before and after each round, because both change with what else
// the machine does:
//   product_bench --benchmark_filter=OfPeak
// Its counters are shares of the peak: the median, and the quarter and the
// tenth of the rounds that were disturbed least. Arguments: GGUF type id,
// tokens, and how the products lie (see Shape).

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

// What a pass of a model multiplies, hidden size 2048, in the order of
// model/unit_compute.cc.
enum class Shape {
  kMatrix,    // one matrix of 2048 x 2048
  kUnitsIn,   // 16 units of 256 rows, each into its own room
  kUnitsOut,  // 16 units of 256 columns, 32 rows of all of them into one block
};

class Products {
 public:
  Products(Shape shape, WeightType type, uint32_t tokens)
      : shape_(shape),
        table_(**SelectKernels("auto")),
        tokens_(tokens),
        rows_(shape == Shape::kUnitsIn ? kUnit : kHidden),
        cols_(shape == Shape::kUnitsOut ? kUnit : kHidden),
        input_(testing::MakeActivations(InfoOf(type).encoding, tokens, cols_,
                                        random_)) {
    for (int i = 0; i < (shape == Shape::kMatrix ? 1 : kUnitCount); ++i) {
      packed_.push_back(
          testing::Packed(table_, type, rows_, cols_,
                          testing::RandomWeights(type, rows_, cols_, random_)));
      matrices_.push_back(
          {type, table_.layout, rows_, cols_, packed_.back().data()});
    }
    floats_.resize(matrices_.size() * tokens * rows_);
    doubles_.resize(uint64_t{tokens} * kSumRows);
  }

  const KernelTable& table() const { return table_; }
  double macs() const {
    return 1.0 * tokens_ * rows_ * cols_ *
           static_cast<double>(matrices_.size());
  }

  void Run() {
    const ActivationView input = input_.View();
    if (shape_ == Shape::kUnitsOut) {
      for (uint32_t row = 0; row < rows_; row += kSumRows) AddRows(row, input);
      return;
    }
    float* to = floats_.data();
    for (const WeightMatrix& matrix : matrices_) {
      for (uint32_t row = 0; row < rows_; row += kRowsPerTask) {
        table_.product(matrix, row, std::min(row + kRowsPerTask, rows_), input,
                       {ProductOutput::Mode::kStore, to, rows_});
      }
      to += uint64_t{tokens_} * rows_;
    }
  }

 private:
  static constexpr uint32_t kHidden = 2048, kUnit = 256, kSumRows = 32;
  static constexpr int kUnitCount = 16;

  void AddRows(uint32_t row, const ActivationView& input) {
    for (WeightMatrix matrix : matrices_) {
      matrix.data += BytesOf(matrix.type, uint64_t{row} * matrix.cols);
      matrix.rows = kSumRows;
      table_.product(matrix, 0, kSumRows, input,
                     {ProductOutput::Mode::kAddF64, doubles_.data(), kSumRows});
    }
  }

  const Shape shape_;
  const KernelTable& table_;
  const uint32_t tokens_, rows_, cols_;
  std::mt19937 random_{1};
  const ActivationBuffer input_;
  std::vector<std::vector<std::byte>> packed_;
  std::vector<WeightMatrix> matrices_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
};

void BM_ProductOfPeak(benchmark::State& state) {
  const auto type = static_cast<WeightType>(state.range(0));
  Products products(static_cast<Shape>(state.range(2)), type,
                    static_cast<uint32_t>(state.range(1)));
  std::vector<double> shares;
  double peak_before = IntegerPeak(products.table());
  for (auto _ : state) {
    const double seconds = SecondsOf([&] { products.Run(); });
    state.SetIterationTime(seconds);
    const double peak = IntegerPeak(products.table());
    shares.push_back(products.macs() / seconds / ((peak_before + peak) / 2));
    peak_before = peak;
  }
  std::sort(shares.begin(), shares.end());
  constexpr const char* kShapes[] = {"matrix", "units in", "units out"};
  state.SetLabel(std::string(InfoOf(type).name) + ", " +
                 kShapes[state.range(2)]);
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
    for (const Shape shape :
         {Shape::kMatrix, Shape::kUnitsIn, Shape::kUnitsOut}) {
      bench->Args(
          {static_cast<int64_t>(type), 128, static_cast<int64_t>(shape)});
    }
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
