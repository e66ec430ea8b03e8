// The verbs below `shoal bench`; each one is defined in the file of its name.

#ifndef SHOAL_CLI_BENCH_VERBS_H_
#define SHOAL_CLI_BENCH_VERBS_H_

#include "cli/command.h"

namespace shoal::cli {

void AddBenchAllreduceVerb(Command& bench);
void AddBenchCpuVerb(Command& bench);
void AddBenchDiskVerb(Command& bench);
void AddBenchE2eVerb(Command& bench);
void AddBenchNetVerb(Command& bench);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_BENCH_VERBS_H_
