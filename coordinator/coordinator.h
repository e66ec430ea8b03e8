// The process of the person who asks: a fleet, a model on it, and generations.

#ifndef SHOAL_COORDINATOR_COORDINATOR_H_
#define SHOAL_COORDINATOR_COORDINATOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "coordinator/active_generation.h"
#include "coordinator/deployment.h"
#include "coordinator/event_log.h"
#include "coordinator/fleet_change.h"
#include "coordinator/generation.h"
#include "coordinator/membership.h"
#include "coordinator/placement.h"
#include "health/finding.h"
#include "parallel/plan.h"
#include "parallel/planner.h"
#include "parallel/rank.h"
#include "security/fleet_secrets.h"

namespace shoal::model {
class Tokenizer;
}

namespace shoal::coordinator {

struct CoordinatorOptions {
  std::string listen_address = "127.0.0.1:0";  // host:port; port 0: any
  // What workers must show; empty: nothing is asked. Never logged.
  std::string token;
  // Allows a listen_address that other machines reach, without encryption.
  bool insecure = false;
  // TLS with certificates; `token` is then the one in there. Null: none.
  std::shared_ptr<const security::FleetSecrets> secrets;
  // With `secrets`: data links are not encrypted all the same.
  bool trusted_lan = false;
  std::string program_version;
  // As Membership::Options.
  std::vector<std::string> device_names;
  // A worker that is silent for heartbeat_timeout is lost.
  absl::Duration heartbeat_interval = absl::Seconds(1);
  absl::Duration heartbeat_timeout = absl::Seconds(3);
  // Longest time for linking the ranks.
  absl::Duration connect_timeout = absl::Seconds(10);
  // Longest time without any progress of a rank that loads.
  absl::Duration load_silence_timeout = absl::Minutes(5);
  // How long a secondary error ("peer closed") waits for the reason of it. Over
  // a bad network the control stream says it some hundreds of milliseconds
  // after the data link is gone, where the machine is busy more than a second.
  absl::Duration cause_wait = absl::Seconds(3);
  // Where unit digests and rates of devices (known_rates.h) are kept between
  // starts; empty: nowhere.
  std::string digest_directory;
  // Checks this device, for operators; as OwnDevice::examine.
  std::function<health::Findings()> examine;
};

struct DeviceState {
  parallel::DeviceProfile profile;
  std::string program_version;
  int32_t rank = -1;  // -1: not in the plan in force
  absl::Duration silent;
  bool is_drained = false;  // taken out of the plan by an operator
};

// Of a queue before the coordinator; for those who watch.
struct QueueState {
  uint32_t waiting_count = 0;
  uint64_t refused_count = 0;  // since the start
};

// Threads: one caller at a time, except AbortPass(), devices(), plan() and the
//          gRPC services, which take turns with the caller; callbacks may come
//          from other threads, one at a time.
// Failure: an error of any rank ends the plan: all ranks drop it, and the
//          caller has within 5 s a status that names the device and the
//          reason. The workers stay members; LoadModel() makes a new plan.
class Coordinator {
 public:
  // `rank0` is borrowed and must outlive this; `profile0.name` is this
  // device's name.
  static std::unique_ptr<Coordinator> Create(CoordinatorOptions options,
                                             parallel::Rank& rank0,
                                             parallel::DeviceProfile profile0);
  // Ends as by Shutdown().
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // Opens the listener for workers and clients; returns "host:port" with the
  // port that was bound. A coordinator without workers need not listen.
  // Errors: kInvalidArgument     the address is not HOST:PORT
  //         kPermissionDenied    not loopback, no options.secrets, and
  //                              options.insecure is off
  //         kUnavailable         the port is in use or cannot be bound
  absl::StatusOr<std::string> Listen();

  // Waits until as many workers have joined. `progress` may be null.
  // Errors: kDeadlineExceeded   says how many joined, and who was refused why
  //         kCancelled          `cancel` became true
  absl::Status WaitForWorkers(
      uint32_t count, absl::Time deadline,
      const std::function<void(const JoinProgress&)>& progress,
      const std::atomic<bool>* cancel = nullptr);
  absl::Status WaitForWorkers(
      const JoinWish& wish, absl::Time deadline,
      const std::function<void(const JoinProgress&)>& progress,
      const std::atomic<bool>* cancel = nullptr);

  // Loads the model at `path` on this device and all workers that joined,
  // ranked by device_names, their `order`, then by name. A model
  // that was loaded before is given up first. Errors: of ModelFile::Read(),
  // model::Tokenizer::Create(), PlanModel(), and
  //         of any rank's Load() and Connect(); the latter name the device.
  absl::Status LoadModel(
      const std::string& path, const PlanOptions& options,
      const std::function<void(const DeviceProgress&)>& progress,
      const std::atomic<bool>* cancel = nullptr);

  // Makes a new plan of the model that is loaded and carries it out. The model
  // stays, so that Prepare() works meanwhile; after an error, too, but then no
  // plan is in force. Shares by rank (PlanOptions::shares) stay those of the
  // devices that had them first.
  // Errors: as LoadModel(), but of the file; kFailedPrecondition  no model is
  //         loaded
  absl::Status Reload(
      const PlanOptions& options,
      const std::function<void(const DeviceProgress&)>& progress,
      const std::atomic<bool>* cancel = nullptr);

  // The plan that Reload() would make if `drained` were those that are drained.
  // Changes nothing. Errors: of PlanModel(); kFailedPrecondition  no model is
  // loaded
  absl::StatusOr<parallel::Plan> TryPlan(const PlanOptions& options,
                                         const std::set<std::string>& drained);

  // As of Membership. Any thread.
  void SetDrained(const std::string& device, bool is_drained);
  bool SetDrainedIfAway(const std::string& device, bool is_drained);
  std::set<std::string> drained() const;
  std::set<std::string> known_devices() const;

  // REQUIRES, here and below: LoadModel() was OK.
  // `on_text` may be null. `cancel` is looked at between passes, and by
  // nothing else: a cancelled generation leaves the plan in force.
  // Errors: kInvalidArgument     no prompt tokens, an id out of range, a prompt
  //                              longer than the provided context, a
  //                              conversation that the model's template
  //                              refuses, or a sampling option out of range
  //         kFailedPrecondition  a conversation, and no chat template
  //         kFailedPrecondition  the plan ended with an error before
  //         others               of any rank; the message names the device
  absl::StatusOr<GenerateResult> Generate(
      const GenerateRequest& request, const TextCallback& on_text,
      const std::atomic<bool>* cancel = nullptr);

  // The same step by step, for who serves several at once: Prepare() by any
  // thread, then Step() until it is done, and Release(). As of Generator, with
  // its requirements; a plan serves PlanOptions::run.session_count at a time.
  // Errors: of Prepare(), those of Generate() that are the request's;
  //         kFailedPrecondition  no model is loaded
  //         of Step(), of any rank; the message names the device
  absl::StatusOr<std::unique_ptr<ActiveGeneration>> Prepare(
      const GenerateRequest& request) const;
  absl::Status Step(std::span<ActiveGeneration* const> generations);
  void Release(const ActiveGeneration& generation);

  // Who generates for the clients of the gRPC service Inference, from now on;
  // null: this, one after the other. `generate` is called by any thread.
  void SetClientGenerator(ClientGenerator generate);
  // Who carries out what operators ask for; null, the default: nobody.
  void SetFleetChanger(FleetChanger change);
  // Tells those who watch. Any thread.
  void AddEvent(Severity severity, absl::string_view device,
                absl::string_view text, absl::string_view command = "");
  // Asked a few times a second until Shutdown(), by another thread.
  void SetQueueProbe(std::function<QueueState()> probe);

  // One or more passes over `ids` at first_position, first_position + 1, ...
  // of `session`, whose KV is cut to first_position before. `logits` receives
  // [logits_rows, vocabulary] of the last `logits_rows` tokens.
  // REQUIRES: logits_rows <= run.logits_rows_max, logits_rows <= ids.size(),
  //           logits.size() == logits_rows * vocabulary.
  // Errors: as Generate().
  absl::Status RunTokens(std::span<const int32_t> ids, uint32_t first_position,
                         uint32_t session, uint32_t logits_rows,
                         std::span<float> logits);

  // Ends the plan in force with `why`, and promptly a pass that is under way,
  // however long it still would take. Any thread.
  void AbortPass(const absl::Status& why);

  // Calls `action` while nothing else is asked of the ranks.
  void InTurn(absl::FunctionRef<void()> action);

  // Of all ranks, by rank. A rank that does not answer within 2 s is left out.
  std::vector<parallel::RankReport> Reports();

  // What the ranks recorded since LoadModel(), if PlanOptions::run asked for a
  // trace. A rank that is silent for 2 s is left out.
  std::vector<RankTrace> Traces();

  // All ranks give memory and links back; the stores stay.
  void Unload();

  // Tells the workers that this coordinator ends, and closes the listener.
  void Shutdown();

  // Copies; any thread.
  parallel::Plan plan() const;  // REQUIRES: LoadModel() was OK
  std::vector<DeviceState> devices() const;

  const ModelFile& model() const;
  const model::Tokenizer& tokenizer() const;
  // False if the model has no chat template. Errors: it cannot be parsed.
  absl::StatusOr<bool> HasChatTemplate() const;
  // Why the plan in force has ended; OK while it has not.
  absl::Status plan_failure() const;
  // KV positions that the plan in force provides.
  uint32_t context_positions() const;
  // Bytes of units sent to workers since Create().
  uint64_t unit_bytes_sent() const;

 private:
  class Impl;
  explicit Coordinator(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_COORDINATOR_H_
