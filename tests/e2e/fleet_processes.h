// A fleet of real processes, watched from outside.

#ifndef SHOAL_TESTS_E2E_FLEET_PROCESSES_H_
#define SHOAL_TESTS_E2E_FLEET_PROCESSES_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/cli/program.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::testing {

// The demonstration model.
std::string StoryModelPath();

// Runs the program with stores of its own, so that nothing comes from an
// earlier test.
class FleetProcessesTest : public ::testing::Test {
 protected:
  // `shoal run` of the demonstration model's story, and `more`.
  static std::vector<std::string> StoryRun(
      const std::vector<std::string>& more);

  cli::ProgramOptions Environment() const;
  cli::ProgramResult Run(const std::vector<std::string>& arguments) const {
    return cli::RunProgram(arguments, Environment());
  }

  // The floor of every rank of `run` with `device_count` local devices, as the
  // refusals name it, each asked for with too little for that rank alone.
  std::vector<uint64_t> Floors(const std::vector<std::string>& run,
                               uint32_t device_count) const;
  // Whether `refusal` names a higher floor of a rank; it is put in then.
  static bool RaiseFloor(const std::string& refusal,
                         std::vector<uint64_t>& floors);

  TemporaryFolder cache_;
};

// A coordinator that waits for workers, as its standard error says.
struct Waiting {
  std::string port;
  std::string token;
};

// Reads what `coordinator` (run --listen) says until it waits.
Waiting ReadWaiting(cli::Program& coordinator);

// "1000,2000"; for --memory.
std::string ListOf(const std::vector<uint64_t>& numbers);

struct ProcessFacts {
  uint64_t peak_rss_bytes = 0;  // VmHWM
  uint64_t read_bytes = 0;      // from the disk, of /proc/PID/io
};

// Of the process and its children, by pid; in the order of their start.
std::map<pid_t, ProcessFacts> FactsOfFleet(pid_t parent);

// Looks at them without pause until the program has ended, and gives the
// largest figures seen.
std::map<pid_t, ProcessFacts> WatchToTheEnd(cli::Program& program,
                                            cli::ProgramResult& result);

// Dead children of a dead parent are reaped by init: true when none is left.
bool AllGoneWithin(const std::vector<pid_t>& pids, absl::Duration limit);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_E2E_FLEET_PROCESSES_H_
