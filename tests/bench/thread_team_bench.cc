// What handing work to a team costs: a Run() of tasks that do nothing.
//
// Arguments: members, tasks.

#include <benchmark/benchmark.h>

#include "kernels/thread_team.h"

namespace shoal::kernels {
namespace {

void BM_Run(benchmark::State& state) {
  const auto team = ThreadTeam::Create(static_cast<uint32_t>(state.range(0)));
  const ThreadTeam::Pass awake(*team);
  for (auto _ : state) {
    team->Run(static_cast<uint32_t>(state.range(1)),
              [](uint32_t task, uint32_t) { benchmark::DoNotOptimize(task); });
  }
}

BENCHMARK(BM_Run)->ArgsProduct({{1, 2, 4}, {2, 32, 256}})->UseRealTime();

}  // namespace
}  // namespace shoal::kernels
