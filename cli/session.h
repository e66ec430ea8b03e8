// A model loaded on a fleet, ready to generate: for run, chat and serve.

#ifndef SHOAL_CLI_SESSION_H_
#define SHOAL_CLI_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cli/device.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"
#include "cli/local_fleet.h"
#include "cli/progress.h"
#include "cli/rest_keeper.h"
#include "coordinator/coordinator.h"
#include "discovery/offerer.h"
#include "security/fleet_secrets.h"

namespace shoal::cli {

// A device of this machine, besides those that join from elsewhere.
struct LocalDeviceOptions {
  std::string name;
  uint64_t budget_bytes = 0;
  uint32_t threads = 1;
  std::string store_directory;
  uint64_t disk_cap_bytes = UINT64_MAX;
};

struct SessionOptions {
  std::string model;
  coordinator::PlanOptions plan;
  // The first is this process (rank 0), the others processes of --local.
  std::vector<LocalDeviceOptions> local_devices;
  std::string isa = "auto";
  memory::IoEngine io = memory::IoEngine::kAuto;
  std::string memory_file;  // of this process, as DeviceOptions
  std::string listen_address = "127.0.0.1:0";
  // Workers from elsewhere: at least so many, and these.
  uint32_t expect = 0;
  std::vector<std::string> expected_names;
  std::vector<std::string> optional_names;  // may be there, too
  bool any_may_join = false;                // more than `expect`, that is
  // All devices by rank, where a file names them; others are refused.
  std::vector<std::string> device_names;
  bool coordinator_computes = true;
  absl::Duration join_timeout = absl::Seconds(30);
  std::string token;            // empty: a new one
  bool token_is_known = false;  // to whoever starts the workers
  bool insecure = false;
  // The folder of the fleet's keys (fleet_security.h). Empty: none, or the
  // shared one.
  std::string secrets;
  bool makes_secrets = false;  // where the folder is missing
  bool trusted_lan = false;
  bool offers = true;  // itself to the network, if others may join
  uint16_t offer_port = discovery::kOfferPort;
  // Fewer sessions (plan.run.session_count) will do where memory is short.
  bool fewer_sessions_will_do = false;
};

// From flags, and from the cluster file if they name one. The trained context
// of the model bounds the default of --ctx.
// Errors: kInvalidArgument  flags or file; others: of the model file
absl::StatusOr<SessionOptions> SessionOptionsOf(const std::string& model,
                                                const WhereFlags& where,
                                                const HowFlags& how);

// 0 if the model does not say. Errors: of the model file.
absl::StatusOr<uint32_t> TrainedContextOf(const std::string& model);

// Whether this machine has a core for each thread of the devices on it.
bool CoresSuffice(std::span<const LocalDeviceOptions> devices);

// Threads: thread-compatible; create it on the main thread (local_fleet.h).
class Session {
 public:
  // All three steps below. `interrupt` is borrowed.
  // Errors: of the coordinator; kCancelled  interrupted
  static absl::StatusOr<std::unique_ptr<Session>> Start(
      const SessionOptions& options, InterruptWatcher& interrupt);

  // This device and its coordinator, which does not listen yet.
  static absl::StatusOr<std::unique_ptr<Session>> Create(
      const SessionOptions& options, InterruptWatcher& interrupt);
  // Listens and starts the workers of this machine; returns the address.
  absl::StatusOr<std::string> StartFleet();
  // Waits for all workers and loads the model.
  absl::Status Load();

  // After a plan has ended: starts the workers of this machine again if one of
  // them is gone, then as Load(). Again after an error, if not interrupted.
  // REQUIRES: called by the thread that called StartFleet().
  absl::Status Recover();

  // Coordinator::TryPlan() and Reload(), with fewer sessions where that will
  // do. REQUIRES: Load() was OK.
  absl::Status TryPlan(const std::set<std::string>& drained);
  absl::Status Reload(
      const std::function<void(const coordinator::DeviceProgress&)>& progress);

  // Of the plan in force. REQUIRES: Load() was OK.
  uint32_t session_count() const { return session_count_; }

  // Ends the fleet; workers of --local are gone afterwards.
  ~Session();

  coordinator::Coordinator& coordinator() { return *coordinator_; }

 private:
  Session(SessionOptions options, InterruptWatcher& interrupt)
      : options_(std::move(options)), interrupt_(interrupt) {}

  bool has_workers() const {
    return options_.local_devices.size() > 1 || options_.expect > 0 ||
           !options_.optional_names.empty();
  }
  absl::Status StartLocalWorkers();
  void SayHowToJoin();
  void OfferToNetwork();
  absl::Status WaitForWorkers();
  absl::Status LoadModel();
  // Calls `load` with fewer and fewer sessions until there is memory for them;
  // returns how many there are.
  absl::StatusOr<uint32_t> WithSessions(
      const std::function<absl::Status(const coordinator::PlanOptions&)>& load);
  absl::Status TakeLoaded(const absl::StatusOr<uint32_t>& session_count);

  const SessionOptions options_;                           // with the token
  std::shared_ptr<const security::FleetSecrets> secrets_;  // null: no TLS
  InterruptWatcher& interrupt_;
  std::string address_;  // where workers join
  uint32_t session_count_ = 0;
  Progress progress_;
  Device device_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<RestKeeper> rest_keeper_;  // ends before both
  base::Mutex mutex_;
  bool joining_ ABSL_GUARDED_BY(mutex_) = true;
  std::string lost_worker_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<discovery::Offerer> offerer_;
  std::unique_ptr<LocalFleet> fleet_;  // ends before the coordinator
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SESSION_H_
