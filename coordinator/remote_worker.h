// One worker that joined, as the coordinator sees it.

#ifndef SHOAL_COORDINATOR_REMOTE_WORKER_H_
#define SHOAL_COORDINATOR_REMOTE_WORKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/epoch.h"
#include "parallel/planner.h"
#include "parallel/rank.h"

namespace shoal::proto {
class Answer;
class CoordinatorMessage;
class Inquiry;
class Report;
class WorkerMessage;
}  // namespace shoal::proto

namespace shoal::coordinator {

// "10.0.0.2" of "ipv4:10.0.0.2:4711" and of "ipv6:%5B::ffff:10.0.0.2%5D:4711".
std::string HostOfPeer(const std::string& peer);

// Carries messages to a worker. Threads: thread-safe.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  // Queues a message; never blocks. Dropped if the stream is gone.
  virtual void Send(const proto::CoordinatorMessage& message) = 0;
  // Breaks the stream.
  virtual void Cancel() = 0;
};

// Outlives its stream: whoever holds it after the loss sees lost().
// Threads: thread-safe.
class RemoteWorker {
 public:
  struct Info {
    parallel::DeviceProfile profile;
    std::string program_version;
    uint32_t order = 0;
    uint64_t session_key = 0;
    std::string peer = {};  // as gRPC names the other end; empty: unknown
    std::string listen_port = {};  // that it dialled; empty: unknown
  };

  RemoteWorker(Info info, std::shared_ptr<WorkerLink> link);

  const Info& info() const { return info_; }
  const std::string& name() const { return info_.profile.name; }
  // What to look at when nothing comes from it, for the end of a message.
  std::string WhatToCheck() const;

  // From the stream.
  void OnMessage(const proto::WorkerMessage& message);
  void OnLost(const absl::Status& why);

  void Send(const proto::CoordinatorMessage& message) { link_->Send(message); }
  void Cancel() { link_->Cancel(); }

  // News of this plan go to `epoch` from now on; an earlier loss too.
  void Attach(std::shared_ptr<Epoch> epoch, uint32_t rank);
  void Detach();
  std::optional<uint32_t> rank() const;

  struct TraceAnswer {
    base::TraceRecorder::Part part;
    int64_t clock_ns = 0;  // of the worker, when it answered
  };

  // The last report, whoever asked for it.
  struct LatestReport {
    parallel::RankReport report;
    absl::Time received;
    // From a question of RequestReport() to its answer; nothing: none came yet.
    std::optional<absl::Duration> round_trip;
  };

  // Asks for a report and does not wait; nothing while an answer is due.
  void RequestReport() ABSL_LOCKS_EXCLUDED(ask_mutex_, mutex_);
  std::optional<LatestReport> latest_report() const;

  // Ask and wait. Nothing if no answer came by `deadline`, or a malformed one.
  std::optional<parallel::RankReport> AskReport(absl::Time deadline);
  std::optional<TraceAnswer> AskTrace(uint64_t first_event,
                                      uint32_t event_count_max,
                                      absl::Time deadline);

  // Null: no answer came by `deadline`. Sets the request's number. Any thread,
  // several at a time.
  std::shared_ptr<const proto::Answer> Inquire(const proto::Inquiry& inquiry,
                                               absl::Time deadline);

  bool lost() const;
  absl::Time heard() const;

 private:
  // Numbers a question and sends it.
  uint64_t Ask(proto::CoordinatorMessage& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(ask_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeReport(const proto::Report& report)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AwaitAnswer(uint64_t request, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Info info_;
  const std::shared_ptr<WorkerLink> link_;

  // Questions leave in the order of their numbers. Taken before mutex_.
  base::Mutex ask_mutex_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<Epoch> epoch_ ABSL_GUARDED_BY(mutex_);
  uint32_t rank_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status loss_ ABSL_GUARDED_BY(mutex_);  // OK: still here
  absl::Time heard_ ABSL_GUARDED_BY(mutex_);
  // Requests are numbered and answered in order.
  uint64_t asked_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<LatestReport> latest_ ABSL_GUARDED_BY(mutex_);
  // Of RequestReport(): the last question and when it left.
  uint64_t requested_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time requested_time_ ABSL_GUARDED_BY(mutex_);
  std::optional<TraceAnswer> trace_ ABSL_GUARDED_BY(mutex_);
  // Inquiries under way by number; null until they are answered.
  uint64_t inquired_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::shared_ptr<const proto::Answer>> inquiries_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_REMOTE_WORKER_H_
