// The verbs of the program; each one is defined in the file of its name.

#ifndef SHOAL_CLI_VERBS_H_
#define SHOAL_CLI_VERBS_H_

#include "cli/command.h"

namespace shoal::cli {

void AddBenchVerb(Command& root);  // bench cpu
void AddChatVerb(Command& root);
void AddCompletionVerb(Command& root);
void AddConfigVerb(Command& root);  // config check, explain
void AddDiscoverVerb(Command& root);
void AddDoctorVerb(Command& root);
void AddDrainVerb(Command& root);
void AddHelpVerb(Command& root);
void AddInitVerb(Command& root);
void AddLaunchVerb(Command& root);
void AddLogsVerb(Command& root);
void AddModelVerb(Command& root);  // model inspect, quantize, synth
void AddNodesVerb(Command& root);
void AddPlanVerb(Command& root);
void AddReplanVerb(Command& root);
void AddResumeVerb(Command& root);
void AddRunVerb(Command& root);
void AddServeVerb(Command& root);
void AddStatusVerb(Command& root);
void AddStopVerb(Command& root);
void AddStoreVerb(Command& root);  // store list, gc, verify
void AddSupportBundleVerb(Command& root);
void AddTokenizeVerb(Command& root);
void AddDashboardVerb(Command& root);
void AddExplainVerb(Command& root);
void AddTopVerb(Command& root);
void AddWorkerVerb(Command& root);

// All of them, and --version.
void AddVerbs(Command& root);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_VERBS_H_
