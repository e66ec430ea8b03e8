#include "cli/bench_verbs.h"
#include "cli/verbs.h"

namespace shoal::cli {

void AddBenchVerb(Command& root) {
  Command& bench = root.AddVerb("bench", "Measuring parts of this machine");
  AddBenchCpuVerb(bench);
  AddBenchDiskVerb(bench);
  AddBenchNetVerb(bench);
  AddBenchAllreduceVerb(bench);
  AddBenchE2eVerb(bench);
}

}  // namespace shoal::cli
