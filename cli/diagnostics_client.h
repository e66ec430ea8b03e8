// Asks a running coordinator what is wrong with its fleet, and for its logs.

#ifndef SHOAL_CLI_DIAGNOSTICS_CLIENT_H_
#define SHOAL_CLI_DIAGNOSTICS_CLIENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "cli/coordinator_client.h"
#include "health/finding.h"

namespace shoal::cli {

struct ExaminedDevice {
  std::string name;
  health::Findings findings;
};

// All devices if `device` is empty. Takes seconds per device.
// Errors: kNotFound  no such device; kUnavailable, kPermissionDenied  as
//         CoordinatorClient; kUnimplemented  an older coordinator
absl::StatusOr<std::vector<ExaminedDevice>> ExamineFleet(
    const ClientTarget& target, const std::string& device);

// By the coordinator's clock.
struct FleetLogLine {
  absl::Time time;
  std::string device;
  base::LogLevel level = base::LogLevel::kInfo;
  std::string text;
};

// Where to go on, by device.
struct LogPlace {
  uint64_t next = 0;
  uint64_t instance = 0;  // of the process; 0: none is known
};
using LogPlaces = std::map<std::string, LogPlace>;

struct FleetLog {
  std::vector<FleetLogLine> lines;  // in the order of their times
  std::vector<std::string> silent;  // devices that did not answer
};

// What has been logged since `places`, which it moves on. At most some hundred
// lines of each device: call it again until nothing comes.
// Errors: as ExamineFleet()
absl::StatusOr<FleetLog> ReadFleetLog(const ClientTarget& target,
                                      const std::string& device,
                                      base::LogLevel level, LogPlaces& places);

// All that devices keep: ReadFleetLog() until nothing comes.
absl::StatusOr<FleetLog> ReadWholeFleetLog(const ClientTarget& target,
                                           const std::string& device,
                                           base::LogLevel level,
                                           LogPlaces& places);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_DIAGNOSTICS_CLIENT_H_
