// Who is in the fleet: admits workers, watches their heartbeats, drops them.

#ifndef SHOAL_COORDINATOR_MEMBERSHIP_H_
#define SHOAL_COORDINATOR_MEMBERSHIP_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/remote_worker.h"

namespace shoal::proto {
class Hello;
}

namespace shoal::coordinator {

// Told to whom waits for workers.
struct JoinProgress {
  std::string device;    // that joined or was refused
  absl::Status refusal;  // OK: joined
  uint32_t joined = 0;
  uint32_t expected = 0;
};

// Threads: thread-safe. Owns one thread, which sends heartbeats and cancels
// the streams of workers that are silent.
class Membership {
 public:
  struct Options {
    std::string coordinator_name;
    std::string token;  // empty: none is asked
    absl::Duration heartbeat_interval;
    absl::Duration heartbeat_timeout;
  };

  explicit Membership(Options options);
  ~Membership();

  // Judges the first message of a stream and answers it over `link`: Welcome,
  // or Refusal and null. `peer` names the other end for the log.
  std::shared_ptr<RemoteWorker> Admit(const proto::Hello& hello,
                                      absl::string_view peer,
                                      std::shared_ptr<WorkerLink> link);

  // The stream of an admitted worker has ended.
  void Remove(const std::shared_ptr<RemoteWorker>& worker,
              const absl::Status& why);

  // By order, then by the time of joining.
  std::vector<std::shared_ptr<RemoteWorker>> workers() const;

  bool HasSession(uint64_t session_key) const;

  // As Coordinator::WaitForWorkers().
  absl::Status WaitFor(uint32_t count, absl::Time deadline,
                       const std::function<void(const JoinProgress&)>& progress,
                       const std::atomic<bool>* cancel);

  // Tells all workers that the coordinator ends; admits no more.
  void Shutdown();

 private:
  absl::Status Judge(const proto::Hello& hello, bool& retry);
  absl::Status NameIsFree(const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refuse(const std::string& device, absl::string_view peer,
              const absl::Status& why, bool retry, WorkerLink& link);
  void Watch();

  const Options options_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::shared_ptr<RemoteWorker>> workers_ ABSL_GUARDED_BY(mutex_);
  std::deque<JoinProgress> news_ ABSL_GUARDED_BY(mutex_);  // <= kNewsMax
  absl::Status last_refusal_ ABSL_GUARDED_BY(mutex_);
  std::string last_refused_ ABSL_GUARDED_BY(mutex_);
  uint64_t join_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::random_device random_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread watcher_;
};

// Compares without telling by its time where the first difference is.
bool TokensMatch(absl::string_view expected, absl::string_view shown);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_MEMBERSHIP_H_
