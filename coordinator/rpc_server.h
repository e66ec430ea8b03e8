// The coordinator's gRPC listener and what its services call.

#ifndef SHOAL_COORDINATOR_RPC_SERVER_H_
#define SHOAL_COORDINATOR_RPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/fleet_change.h"
#include "coordinator/fleet_examiner.h"
#include "coordinator/fleet_watch.h"
#include "coordinator/generation.h"
#include "coordinator/membership.h"
#include "parallel/rank.h"
#include "security/fleet_secrets.h"

namespace shoal::proto {
class FleetStatus;
class ListModelsReply;
class Plan;
}  // namespace shoal::proto

namespace shoal::coordinator {

// What the services ask of the coordinator. Threads: thread-safe.
class RpcHandler {
 public:
  virtual ~RpcHandler() = default;

  // The units of the plan `epoch`; null if it is not the one in force.
  virtual std::shared_ptr<parallel::UnitFetcher> UnitsOf(uint64_t epoch) = 0;

  // Waits for its turn; ends soon once `is_gone`. Errors: of
  // Coordinator::Generate(); kFailedPrecondition  no model is loaded
  virtual absl::StatusOr<GenerateResult> Generate(
      const GenerateRequest& request, const TextCallback& on_text,
      const std::function<bool()>& is_gone) = 0;
  virtual absl::StatusOr<std::vector<int32_t>> Tokenize(const std::string& text,
                                                        bool add_special) = 0;
  virtual void FillModels(proto::ListModelsReply& reply) = 0;
  virtual void FillStatus(proto::FleetStatus& status) = 0;
  // Errors: of FleetWatch::Subscribe()
  virtual absl::StatusOr<std::unique_ptr<FleetWatch::Watcher>> Watch(
      double rate) = 0;
  // Errors: kNotFound  no model is loaded
  virtual absl::Status FillPlan(proto::Plan& plan) = 0;
  // Returns when it is done. Errors: those in proto/operator.proto
  virtual absl::Status ChangeFleet(const FleetChange& change,
                                   const ChangeNews& on_news) = 0;
};

// Threads: thread-compatible; handlers run on gRPC's threads.
class RpcServer {
 public:
  struct Options {
    std::string listen_address;  // HOST:PORT
    bool insecure = false;       // allows an address that others reach
    // What clients (not workers) show at such an address; empty: nothing.
    std::string token = {};
    // TLS: workers must have a certificate of the fleet, clients one or its
    // token. Null: none.
    std::shared_ptr<const security::FleetSecrets> secrets = {};
    OwnDevice own = {};             // `host` is set by the server
    std::string worker_token = {};  // what workers without TLS show
  };

  // `membership` and `handler` are borrowed and must outlive the server.
  // Errors: as Coordinator::Listen().
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const Options& options, Membership& membership, RpcHandler& handler);

  // Breaks what still runs and joins all threads.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // HOST:PORT with the port that was bound.
  const std::string& address() const;

 private:
  struct Impl;
  explicit RpcServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

struct HostPort {
  std::string host;  // without brackets
  std::string port;

  // Errors: kInvalidArgument  not HOST:PORT or [HOST]:PORT, or the port is no
  //                           number up to 65535
  static absl::StatusOr<HostPort> Parse(absl::string_view address);
  // 127.0.0.0/8, ::1, localhost.
  bool IsLoopback() const;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_RPC_SERVER_H_
