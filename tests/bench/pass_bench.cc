// Decode and prefill of ranks in threads on a model file:
//   SHOAL_BENCH_MODEL=tiny.gguf pass_bench
// `shoal model synth --shape tinyllama-1.1b` makes one to measure with.

#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using testing::FleetOptions;
using testing::InProcessFleet;

constexpr uint32_t kContext = 512;

// One fleet at a time: models are large.
InProcessFleet* FleetOf(uint32_t ranks, uint32_t threads) {
  static testing::TemporaryFolder folder;
  static std::unique_ptr<InProcessFleet> fleet;
  static std::pair<uint32_t, uint32_t> made = {0, 0};
  if (made == std::pair(ranks, threads)) return fleet.get();
  fleet.reset();
  const char* model = std::getenv("SHOAL_BENCH_MODEL");
  if (model == nullptr) return nullptr;
  FleetOptions options;
  options.rank_count = ranks;
  options.threads = threads;
  options.store_root = folder.path();
  options.budget_bytes = uint64_t{8} << 30;
  options.run.weights = parallel::WeightsMode::kResident;
  options.run.context_positions = kContext;
  options.chunk_tokens = 128;
  auto created = InProcessFleet::Create(model, options);
  if (!created.ok()) {
    std::fprintf(stderr, "%s\n", created.status().ToString().c_str());
    return nullptr;
  }
  fleet = *std::move(created);
  made = {ranks, threads};
  return fleet.get();
}

void Evaluate(benchmark::State& state, uint32_t tokens) {
  InProcessFleet* fleet = FleetOf(static_cast<uint32_t>(state.range(0)),
                                  static_cast<uint32_t>(state.range(1)));
  if (fleet == nullptr) {
    state.SkipWithError("set SHOAL_BENCH_MODEL to a model file");
    return;
  }
  const std::vector<int32_t> ids(tokens, 300);
  uint32_t position = 0;
  for (auto _ : state) {
    if (position + tokens > kContext) position = 0;
    const auto logits = fleet->Evaluate(ids, position, 1);
    if (!logits.ok()) {
      state.SkipWithError(logits.status().ToString().c_str());
      return;
    }
    position += tokens;
  }
  state.SetItemsProcessed(state.iterations() * tokens);
}

void Decode(benchmark::State& state) { Evaluate(state, 1); }
void Prefill(benchmark::State& state) { Evaluate(state, 128); }

// {ranks, threads of each}
BENCHMARK(Decode)->Args({1, 1})->Args({1, 2})->Args({2, 1})->UseRealTime();
BENCHMARK(Prefill)->Args({1, 1})->Args({1, 2})->Args({2, 1})->UseRealTime();

}  // namespace
}  // namespace shoal

BENCHMARK_MAIN();
