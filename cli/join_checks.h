// Whether this device could join a fleet, step by step, and why not.

#ifndef SHOAL_CLI_JOIN_CHECKS_H_
#define SHOAL_CLI_JOIN_CHECKS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "health/finding.h"
#include "proto/fleet_protocol.h"
#include "security/join_token.h"

namespace shoal::cli {

struct JoinCheckOptions {
  std::string address;  // HOST:PORT of the coordinator
  // Of a fleet with certificates, or another; neither: the versions are not
  // compared, and ports are tried in one direction only.
  std::optional<security::JoinToken> join_token;
  std::string plain_token;
  bool insecure = false;  // the coordinator speaks no TLS
  std::string program_version;
  uint32_t protocol_version = proto::kFleetProtocolVersion;  // for tests
  absl::Duration step_time = absl::Seconds(4);  // for each step, at most
};

// Name, route, port, TLS, token, versions, clock, and ports both ways; ends
// with the first that makes the rest pointless. Changes nothing at either end.
// Blocks for step_time for each of them at most.
health::Findings CheckJoin(const JoinCheckOptions& options);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_JOIN_CHECKS_H_
