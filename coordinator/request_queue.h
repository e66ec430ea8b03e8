// Serves the requests of several clients on one fleet.

#ifndef SHOAL_COORDINATOR_REQUEST_QUEUE_H_
#define SHOAL_COORDINATOR_REQUEST_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/active_generation.h"
#include "coordinator/coordinator.h"
#include "coordinator/generation.h"
#include "coordinator/request_record.h"
#include "coordinator/request_stream.h"

namespace shoal::coordinator {

enum class ServiceState : uint8_t {
  kLoading,   // the model is not there yet
  kReady,     // requests are served
  kFailed,    // the plan has ended, or the model could not be loaded
  kStopping,  // what runs may finish; nothing new is taken
};
// "loading", "ready", "failed", "stopping".
absl::string_view ToString(ServiceState state);

// Sums since the start; the last two are of now.
struct ServiceCounters {
  uint64_t finished_count = 0;
  uint64_t cancelled_count = 0;
  uint64_t failed_count = 0;
  uint64_t refused_count = 0;  // the queue was full, or nothing was loaded
  uint64_t prompt_tokens = 0;
  uint64_t reused_tokens = 0;  // of those, still in the KV cache
  uint64_t generated_tokens = 0;
  uint64_t pass_count = 0;
  absl::Duration pass_time;
  uint64_t first_token_count = 0;
  absl::Duration first_token_time;  // from the request to its first token
  uint32_t active_count = 0;
  uint32_t waiting_count = 0;
};

// Up to session_count requests are active: every pass takes a token of each of
// them (Generator::Step()), so that all go on at the same pace and each gets
// the text that it would get alone. The others wait, first come, first served.
//
// A fault of the plan ends all requests with kUnavailable; the owner loads the
// model again and says SetReady().
//
// Limits:  session_count active and waiting_count_max waiting requests.
// Threads: thread-safe. Owns the thread that runs the passes; the destructor
//          joins it.
class RequestQueue {
 public:
  struct Options {
    uint32_t waiting_count_max = 32;
    // How long Stop() lets a pass go on that has begun: one of a device that
    // hangs would take until that is noticed.
    absl::Duration pass_grace = absl::Seconds(2);
    // So many requests are kept for records(): the first.
    uint32_t record_count_max = 0;
  };

  // Begins as kLoading. `coordinator` is borrowed and must outlive this.
  RequestQueue(const Options& options, Coordinator& coordinator);
  // As Stop() without patience.
  ~RequestQueue();
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  // The model is loaded, with so many sessions (PlanOptions::run).
  // REQUIRES: Coordinator::LoadModel() was OK; session_count >= 1.
  void SetReady(uint32_t session_count);
  // Nothing can be served, and `why` is what to tell; all requests end so.
  // Returns when no pass runs. REQUIRES: `state` is kLoading or kFailed.
  void SetNotReady(ServiceState state, const absl::Status& why);

  // For a change of the plan, until SetReady() or SetNotReady(). From Hold() on
  // requests are taken as before, and wait; those that are active go on.
  void Hold();
  // Waits until none is active; false: some are at `deadline`.
  bool AwaitIdle(absl::Time deadline);
  // Returns when no pass runs; none begins until SetReady(), after which those
  // that are active go on: they compute their tokens again, and are not done
  // again but from where they were. False: it is not ready any more.
  // REQUIRES: Hold().
  bool Park();

  // Errors: those of the request (Coordinator::Prepare());
  //         kResourceExhausted   the queue is full
  //         kUnavailable         not ready; the message says why
  absl::StatusOr<std::shared_ptr<RequestStream>> Submit(
      const GenerateRequest& request);

  // Submit(), and waits for the end. A ClientGenerator.
  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request,
                                          const TextCallback& on_text,
                                          const std::function<bool()>& is_gone);

  // Takes no more requests; those that wait end with kUnavailable, those that
  // are active may go on until `deadline` and are cancelled then. A pass that
  // has begun may go on for pass_grace; then it is aborted, and the plan ends.
  void Stop(absl::Time deadline);

  // Waits until the state is kFailed, Nudge() or `deadline`.
  ServiceState WaitForFault(absl::Time deadline);
  // Ends the wait that is or the next: there is something else to look at.
  void Nudge();

  ServiceState state() const;
  absl::Status reason() const;  // of a state but kReady
  ServiceCounters counters() const;
  // Of requests that were taken from the queue and have ended.
  std::vector<RequestRecord> records() const;

 private:
  struct Request {
    std::unique_ptr<ActiveGeneration> generation;
    std::shared_ptr<RequestStream> stream;
    size_t sent_bytes = 0;     // of the text
    size_t sent_logprobs = 0;  // likewise
    RequestRecord record;
  };

  absl::Status Refusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropCancelledWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AwaitWork() ABSL_LOCKS_EXCLUDED(mutex_);
  void StayParked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  void RunPass();
  void PassOnNews(Request& request);
  void EndRequest(Request& request) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(RequestRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailActive(const absl::Status& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnFault(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  Coordinator& coordinator_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  ServiceState state_ ABSL_GUARDED_BY(mutex_) = ServiceState::kLoading;
  absl::Status reason_ ABSL_GUARDED_BY(mutex_);
  uint32_t session_count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  bool quits_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancels_active_ ABSL_GUARDED_BY(mutex_) = false;
  bool drops_active_ ABSL_GUARDED_BY(mutex_) = false;
  bool holds_ ABSL_GUARDED_BY(mutex_) = false;
  bool parks_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_parked_ ABSL_GUARDED_BY(mutex_) = false;  // while parks_
  std::deque<Request> waiting_ ABSL_GUARDED_BY(mutex_);
  ServiceCounters counters_ ABSL_GUARDED_BY(mutex_);
  uint64_t submitted_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<RequestRecord> records_ ABSL_GUARDED_BY(mutex_);

  // Of the thread alone; its count is in counters_.
  std::vector<Request> active_;
  std::thread thread_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_REQUEST_QUEUE_H_
