#include "cli/verbs.h"

#include <cstdio>
#include <memory>

namespace shoal::cli {

void AddVerbs(Command& root) {
  auto version = std::make_shared<bool>(false);
  root.AddSwitch({.names = "--version", .help = "Print the version"},
                 version.get());
  root.SetCheck([version] {
    return *version ? absl::OkStatus()
                    : absl::InvalidArgumentError(
                          "a verb is missing, such as run or chat");
  });
  root.SetRunner([version] {
    std::printf("shoal %s\n", SHOAL_VERSION);
    return absl::OkStatus();
  });
  AddRunVerb(root);
  AddChatVerb(root);
  AddServeVerb(root);
  AddWorkerVerb(root);
  AddPlanVerb(root);
  AddInitVerb(root);
  AddConfigVerb(root);
  AddLaunchVerb(root);
  AddStopVerb(root);
  AddStatusVerb(root);
  AddNodesVerb(root);
  AddDrainVerb(root);
  AddResumeVerb(root);
  AddReplanVerb(root);
  AddExplainVerb(root);
  AddTopVerb(root);
  AddDashboardVerb(root);
  AddDiscoverVerb(root);
  AddDoctorVerb(root);
  AddLogsVerb(root);
  AddSupportBundleVerb(root);
  AddTokenizeVerb(root);
  AddModelVerb(root);
  AddStoreVerb(root);
  AddBenchVerb(root);
  AddCompletionVerb(root);
  AddHelpVerb(root);
}

}  // namespace shoal::cli
