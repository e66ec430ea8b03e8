// A model loaded on a fleet, ready to generate: what run and chat need.

#ifndef SHOAL_CLI_SESSION_H_
#define SHOAL_CLI_SESSION_H_

#include <memory>
#include <span>
#include <string>
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
#include "coordinator/coordinator.h"

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
  std::string listen_address = "127.0.0.1:0";
  uint32_t expect = 0;                      // workers from elsewhere
  std::vector<std::string> expected_names;  // of them; empty: any
  absl::Duration join_timeout = absl::Seconds(30);
  std::string token;            // empty: a new one
  bool token_is_known = false;  // to whoever starts the workers
  bool insecure = false;
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
  // Starts the fleet and loads the model. `interrupt` is borrowed.
  // Errors: of the coordinator; kCancelled  interrupted
  static absl::StatusOr<std::unique_ptr<Session>> Start(
      const SessionOptions& options, InterruptWatcher& interrupt);

  // Ends the fleet; workers of --local are gone afterwards.
  ~Session();

  coordinator::Coordinator& coordinator() { return *coordinator_; }

 private:
  explicit Session(InterruptWatcher& interrupt) : interrupt_(interrupt) {}

  absl::Status StartWorkers(const SessionOptions& options,
                            const std::string& address);
  absl::Status WaitForWorkers(const SessionOptions& options);
  absl::Status CheckNames(const SessionOptions& options) const;
  absl::Status Load(const SessionOptions& options);

  InterruptWatcher& interrupt_;
  Progress progress_;
  Device device_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  base::Mutex mutex_;
  bool joining_ ABSL_GUARDED_BY(mutex_) = true;
  std::string lost_worker_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<LocalFleet> fleet_;  // ends before the coordinator
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SESSION_H_
