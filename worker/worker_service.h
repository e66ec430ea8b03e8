// The process that dials a coordinator and is one rank of its plans.

#ifndef SHOAL_WORKER_WORKER_SERVICE_H_
#define SHOAL_WORKER_WORKER_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "health/finding.h"
#include "parallel/planner.h"
#include "parallel/rank.h"
#include "proto/fleet_protocol.h"
#include "security/join_token.h"

namespace shoal::worker {

struct WorkerServiceOptions {
  std::string coordinator_address;  // HOST:PORT
  // Without TLS: shown to the coordinator; never logged.
  std::string token;
  // TLS with certificates (fleet_identity.h); `join_token` then stands for
  // `token`, and is not needed where a certificate is kept.
  bool tls = false;
  std::optional<security::JoinToken> join_token;
  std::string identity_directory;
  std::string program_version;
  // Ranks are given by this number, then by name; --local
  // numbers its workers, others leave it 0.
  uint32_t order = 0;
  // A worker of --local: ends when its coordinator does, and gives up when it
  // could not join within dial_timeout.
  bool single_session = false;
  absl::Duration dial_timeout = absl::Seconds(10);
  // Between two attempts to join; doubles from the first to the second.
  absl::Duration backoff_min = absl::Milliseconds(200);
  absl::Duration backoff_max = absl::Seconds(2);
  uint32_t protocol_version = proto::kFleetProtocolVersion;  // for tests
  // One line for people, as things happen ("joined ...", "lost ...").
  std::function<void(absl::string_view)> on_event;
  // As of InquiryDesk::Options.
  std::function<health::Findings()> examine;
  std::string bind_address = "127.0.0.1";
  std::string advertised_address;
};

// Dials, joins, and obeys: one model after another, one coordinator after
// another, with the same rank and its store.
//
// Threads: Run() blocks one thread and starts two while it is joined; Stop()
//          may be called from any (not from a signal handler).
// Failure: an error of the rank is reported to the coordinator and the worker
//          stays a member. A lost coordinator is dialled again for ever.
class WorkerService {
 public:
  // `rank` is borrowed and must outlive this.
  WorkerService(WorkerServiceOptions options, parallel::Rank& rank,
                parallel::DeviceProfile profile);
  ~WorkerService();
  WorkerService(const WorkerService&) = delete;
  WorkerService& operator=(const WorkerService&) = delete;

  // Returns OK after Stop(), or when the coordinator of a single session said
  // that it ends.
  // Errors: kPermissionDenied    wrong token, another fleet's certificate, no
  //                              certificate and no token
  //         kFailedPrecondition  another protocol version; names both. Or the
  //                              coordinator speaks TLS, and this does not
  //         kUnavailable         single_session: the coordinator was not
  //                              reached, or vanished
  absl::Status Run();

  // Leaves the fleet; Run() returns soon.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_WORKER_SERVICE_H_
