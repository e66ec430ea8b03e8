#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/log_ring.h"
#include "cli/command.h"
#include "cli/fleet_security.h"
#include "cli/grpc_log.h"
#include "cli/verbs.h"
#include "worker/process_limits.h"

namespace {

constexpr int kExitFault = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;

// One line, whatever the message was made of.
void PrintError(const absl::Status& status) {
  std::string message(status.message());
  std::replace(message.begin(), message.end(), '\n', ' ');
  message = shoal::cli::WithoutTokens(message);
  std::fprintf(stderr, "shoal: %s\n", message.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  // First of all: others may be looking.
  std::vector<std::string> words = shoal::cli::TakeArguments(argc, argv);
  shoal::worker::LimitHeapGrowth();
  shoal::cli::TakeGrpcLog();
  shoal::base::LogRing::OfProcess().SetFilter(shoal::cli::WithoutTokens);
  // A reader that goes away is an error of a write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);

  shoal::cli::Command root(
      "shoal",
      "Runs one big model on several small devices: each holds a part of it.");
  shoal::cli::AddVerbs(root);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  const auto invocation =
      shoal::cli::ParseCommandLine(root, argc, arguments.data());
  if (!invocation.ok()) {
    PrintError(invocation.status());
    return kExitUsage;
  }
  if (!invocation->run) {
    std::fputs(invocation->text.c_str(), stdout);
    return 0;
  }
  const absl::Status status = invocation->run();
  if (status.ok()) return 0;
  PrintError(status);
  return absl::IsCancelled(status) ? kExitInterrupted : kExitFault;
}
