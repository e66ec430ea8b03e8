// What shoal launch and shoal stop let a device's shell do. The scripts are of
// POSIX sh with the tools of any Linux (BusyBox, too); they come over standard
// input, so what is in them stands in no list of processes.

#ifndef SHOAL_CLI_LAUNCH_SCRIPT_H_
#define SHOAL_CLI_LAUNCH_SCRIPT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::cli {

// Names the files of a launched worker: those of the same device of the same
// fleet lie in one folder below $XDG_STATE_HOME/shoal of that device.
struct LaunchId {
  std::string fleet;
  std::string device;
};

// Says what there is: arch, system, running (a pid, if our worker runs), and of
// `program` version or missing (libraries that it lacks) or absent. Empty
// `program`: that of CopiedProgram(digest).
std::string ProbeScript(const LaunchId& id, const std::string& program,
                        const std::string& digest);

// A shell word for the place where a program with this digest is put.
std::string CopiedProgram(const std::string& digest);

// Puts standard input there. To be given to sh -c.
std::string InstallScript(const std::string& digest);

struct StartOptions {
  LaunchId id;
  std::string program;  // a shell word
  std::string token;
  // HOST:PORT. An empty host stands for the address from which the device was
  // reached by ssh.
  std::string join_host;
  std::string join_port;
  std::vector<std::string> flags;  // further ones of shoal worker
};

// Starts the worker, detached, and waits until it has dialled: says started (a
// pid) or already, then joined or dialling (its last words); or failed.
std::string StartScript(const StartOptions& options);

// Says running (a pid) if the worker that StartScript() started runs.
std::string RunningScript(const LaunchId& id);

// Ends the worker that StartScript() started: says stopped, killed or none.
std::string StopScript(const LaunchId& id);

// What a script said: "shoal:joined=desk" becomes {"joined", "desk"}. Other
// lines, such as those of the shell's own start, are not looked at.
std::map<std::string, std::string> AnswersIn(absl::string_view output);

// One word for a shell, whatever is in it.
std::string ShellWord(absl::string_view text);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_LAUNCH_SCRIPT_H_
