// A client of a coordinator that runs elsewhere: asks for text and for the
// state of its fleet.

#ifndef SHOAL_CLI_COORDINATOR_CLIENT_H_
#define SHOAL_CLI_COORDINATOR_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/cluster_config.h"
#include "coordinator/fleet_change.h"
#include "coordinator/generation.h"

namespace shoal::proto {
class WatchUpdate;
}

namespace shoal::cli {

struct ClientTarget {
  std::string address;  // HOST:PORT
  std::string token;    // shown to it; empty: nothing is shown
  // Of the fleet's authority; empty: no TLS.
  std::string authority_certificate_pem;
};

// That of the fleet of a cluster file; a wildcard address becomes loopback.
// Errors: of JoinTokenOf() and security::ReadSecretFile()
absl::StatusOr<ClientTarget> ClientTargetOf(const ClusterConfig& config);

// Makes sure of a coordinator of which only the token is known, if that is one
// of a fleet with certificates.
// Errors: of security::ProbeCoordinator(); kPermissionDenied  another fleet
absl::Status TrustByToken(ClientTarget& target);

struct FleetDevice {
  std::string name;
  bool is_coordinator = false;
  std::optional<uint32_t> rank;  // nothing: not in the plan in force
  absl::Duration silent;
  std::string program_version;
  std::string isa;
  uint32_t threads = 0;
  uint64_t budget_bytes = 0;
  uint32_t unit_count = 0;
  uint64_t share_bytes = 0;
  bool is_drained = false;
};

struct FleetState {
  std::string coordinator_name;
  std::string program_version;
  std::string model_name;  // empty: none is loaded
  bool ready = false;
  std::string failure;  // why the plan ended; empty: it has not
  std::vector<FleetDevice> devices;
  std::vector<std::string> drained;  // names; of those that are away, too
};

// How far a change is, or was when it was not looked at any more.
struct ChangeState {
  std::string text;  // one line: what happens, or what was done
  bool done = false;
  // With `done`: of the plan in force.
  uint64_t epoch = 0;
  std::vector<std::string> devices;  // by rank
};

struct ServedModel {
  std::string name;
  uint32_t context_positions = 0;
  bool has_chat_template = false;
};

// Threads: thread-compatible.
class CoordinatorClient {
 public:
  explicit CoordinatorClient(const ClientTarget& target);
  ~CoordinatorClient();

  // Errors, here and below: kUnavailable       nobody answers there in time
  //                         kPermissionDenied  the token is not the fleet's
  absl::StatusOr<FleetState> State(absl::Duration timeout);

  // Nothing while none is loaded.
  absl::StatusOr<std::optional<ServedModel>> Model(absl::Duration timeout);

  // As Coordinator::Generate(). Errors: those, too
  absl::StatusOr<coordinator::GenerateResult> Generate(
      const coordinator::GenerateRequest& request,
      const coordinator::TextCallback& on_text,
      const std::atomic<bool>& cancel);

  // Asks for a change, which is accepted when `on_news` is called first, and
  // goes on even if that returns false, or `cancel`: then this returns.
  // Errors: those of proto/operator.proto, too; kNotFound names the device
  //         that was perhaps meant
  absl::StatusOr<ChangeState> Change(
      const coordinator::FleetChange& change,
      const std::function<bool(const ChangeState&)>& on_news,
      const std::atomic<bool>& cancel);

  // Gives `on_update` what the fleet does, `rate` times a second (1 to 4),
  // until that returns false, `cancel`, or the coordinator ends: OK then.
  // Errors: those, too; kResourceExhausted  too many watch already
  absl::Status Watch(
      double rate,
      const std::function<bool(const proto::WatchUpdate&)>& on_update,
      const std::atomic<bool>& cancel);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_COORDINATOR_CLIENT_H_
