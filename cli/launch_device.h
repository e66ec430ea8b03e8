// Starts and ends the worker of one device, over ssh or on this machine.

#ifndef SHOAL_CLI_LAUNCH_DEVICE_H_
#define SHOAL_CLI_LAUNCH_DEVICE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/cluster_config.h"
#include "cli/launch_script.h"
#include "cli/subprocess.h"

namespace shoal::cli {

// This program, as it is copied to devices.
struct OwnProgram {
  std::string path;
  std::string digest;   // of its contents, as a part of a file's name
  std::string version;  // what --version prints
  std::string machine;  // uname -m
};

// Errors: kUnavailable  it cannot be read
absl::StatusOr<OwnProgram> ReadOwnProgram();

// Whether launch has started the worker of this device of this machine.
bool IsLaunchedHere(const ClusterConfig& config, const ClusterDevice& device);

// What all devices of a fleet have in common.
struct LaunchFleet {
  const ClusterConfig& config;
  std::string token;
  std::string join_host;  // empty: as StartOptions
  std::string join_port;
};

// A device with a shell: its own, or over ssh.
// Threads: thread-compatible; `say` is called by the calling thread.
class LaunchDevice {
 public:
  // `config` and `device` are borrowed. `say` takes progress for people.
  LaunchDevice(const ClusterConfig& config, const ClusterDevice& device,
               std::function<void(absl::string_view)> say);

  // Copies the program where it is missing, starts the worker if it does not
  // run, and waits until it has dialled the coordinator. Returns what to say.
  // Errors, each with what to do:
  //   kUnavailable         the device cannot be reached
  //   kPermissionDenied    it does not let us in
  //   kFailedPrecondition  another processor, or a library is missing
  //   kResourceExhausted   no space left
  //   kAborted             the worker ended at once; with its last words
  absl::StatusOr<std::string> Start(const LaunchFleet& fleet,
                                    const OwnProgram& own);

  // Errors: as Start()
  absl::StatusOr<std::string> Stop();

 private:
  // Runs a script in the device's shell.
  absl::StatusOr<SubprocessResult> Shell(const std::string& script) const;
  std::vector<std::string> Command(const std::string& remote) const;
  absl::Status Install(const OwnProgram& own) const;
  absl::Status CheckProgram(const std::map<std::string, std::string>& answers,
                            const OwnProgram& own) const;
  absl::Status Explain(const SubprocessResult& result) const;
  std::string Where() const;  // "pi@192.168.1.41"

  const ClusterConfig& config_;
  const ClusterDevice& device_;
  const LaunchId id_;
  const std::function<void(absl::string_view)> say_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_LAUNCH_DEVICE_H_
