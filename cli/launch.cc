#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/cluster_find.h"
#include "cli/cluster_secrets.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"
#include "cli/launch_device.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

// Devices that are worked on at the same time.
constexpr size_t kThreadsMax = 16;

using Step = std::function<absl::StatusOr<std::string>(LaunchDevice&)>;

struct LaunchFlags {
  std::string file;
};

// One line for each thing that happens, whichever device it is of.
class Output {
 public:
  void Say(const std::string& device, absl::string_view text) {
    base::MutexLock lock(mutex_);
    std::fprintf(stderr, "%s: %s\n", device.c_str(), std::string(text).c_str());
  }

 private:
  base::Mutex mutex_;
};

// Those that are started by a command of their own: not the coordinator, and
// none that a person starts by hand.
std::vector<const ClusterDevice*> DevicesToLaunch(const ClusterConfig& config,
                                                  Output& output) {
  std::vector<const ClusterDevice*> devices;
  for (size_t i = 1; i < config.devices.size(); ++i) {
    const ClusterDevice& device = config.devices[i];
    if (device.local || !device.address.empty()) {
      devices.push_back(&device);
    } else {
      output.Say(device.name,
                 "has no address in the file, so its worker is started and "
                 "ended there by hand");
    }
  }
  return devices;
}

// Does the step for all of them, several at a time. The names of those where it
// failed and that the fleet needs.
std::vector<std::string> ForAll(
    const ClusterConfig& config,
    const std::vector<const ClusterDevice*>& devices, Output& output,
    const Step& step) {
  base::Mutex mutex;
  std::vector<std::string> failed;
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < devices.size(); i = next++) {
      const ClusterDevice& device = *devices[i];
      LaunchDevice launch(config, device, [&](absl::string_view text) {
        output.Say(device.name, text);
      });
      const absl::StatusOr<std::string> done = step(launch);
      output.Say(device.name, done.ok() ? absl::string_view(*done)
                                        : done.status().message());
      if (done.ok() || device.optional) continue;
      base::MutexLock lock(mutex);
      failed.push_back(device.name);
    }
  };
  std::vector<std::thread> threads;
  while (threads.size() < std::min(devices.size(), kThreadsMax)) {
    threads.emplace_back(work);
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(failed.begin(), failed.end());
  return failed;
}

absl::Status Launch(const LaunchFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string file, ClusterFileOf(flags.file));
  SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config, ReadClusterConfig(file));
  SHOAL_ASSIGN_OR_RETURN(const HostPort listen, ParseHostPort(config.listen));
  Output output;
  const auto devices = DevicesToLaunch(config, output);
  if (devices.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file,
        ": devices: none of them is started by launch: it starts those "
        "with an address (by ssh) and those with local: true"));
  }
  if (listen.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": listen: '", config.listen,
        "': workers that are launched must know the port; write one other "
        "than 0"));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string token, JoinTokenOf(config));
  if (token.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file,
        ": secrets: it is missing: workers that are launched need the "
        "join token of the fleet; make one with shoal init, or name a "
        "token_file"));
  }
  SHOAL_ASSIGN_OR_RETURN(const OwnProgram own, ReadOwnProgram());
  const std::string host = IsWildcard(listen.host) ? std::string()
                           : listen.host.find(':') == std::string::npos
                               ? listen.host
                               : absl::StrCat("[", listen.host, "]");
  const LaunchFleet fleet{config, token, host, absl::StrCat(listen.port)};
  const std::vector<std::string> failed =
      ForAll(config, devices, output,
             [&](LaunchDevice& device) { return device.Start(fleet, own); });
  if (failed.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      failed.size(), " of ", devices.size(), " workers were not started: ",
      absl::StrJoin(failed, ", "), "; the lines above say why"));
}

absl::Status Stop(const LaunchFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string file, ClusterFileOf(flags.file));
  SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config, ReadClusterConfig(file));
  Output output;
  const auto devices = DevicesToLaunch(config, output);
  const std::vector<std::string> failed =
      ForAll(config, devices, output,
             [](LaunchDevice& device) { return device.Stop(); });
  if (failed.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("of ", failed.size(), " of ", devices.size(),
                   " workers it is not known whether they ended: ",
                   absl::StrJoin(failed, ", "), "; the lines above say why"));
}

void AddFileArgument(Command& verb, std::string* to) {
  verb.AddFlag({.names = "FILE",
                .help = "A cluster file ($SHOAL_CLUSTER, or the only "
                        "*.textproto here)"},
               SetText(to));
}

}  // namespace

void AddLaunchVerb(Command& root) {
  Command& verb =
      root.AddVerb("launch", "Starts the workers of a cluster file");
  auto flags = std::make_shared<LaunchFlags>();
  AddFileArgument(verb, &flags->file);
  verb.SetDetails(
      "Devices with an address are reached with the system's ssh, which must "
      "need\n"
      "no password; this program is copied where the processor is the same "
      "and it\n"
      "is missing. Devices of this machine (local: true) are started here. "
      "Workers\n"
      "go on when this ends, dial the coordinator until it is there, and dial "
      "again\n"
      "when it has gone: so launch works before and after run, chat or serve.\n"
      "\nFiles on a device: $XDG_STATE_HOME/shoal/FLEET/DEVICE/ (log, pid, "
      "token).\n\n"
      "Example:\n  shoal launch home.textproto");
  verb.SetRunner([flags] { return Launch(*flags); });
}

void AddStopVerb(Command& root) {
  Command& verb = root.AddVerb("stop", "Ends the workers that launch started");
  auto flags = std::make_shared<LaunchFlags>();
  AddFileArgument(verb, &flags->file);
  verb.SetDetails(
      "Ends exactly those, and says so of each; what they keep on disk stays.\n"
      "\nExample:\n  shoal stop home.textproto");
  verb.SetRunner([flags] { return Stop(*flags); });
}

}  // namespace shoal::cli
