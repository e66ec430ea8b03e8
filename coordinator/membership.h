// Who is in the fleet: admits workers, watches their heartbeats, drops them.

#ifndef SHOAL_COORDINATOR_MEMBERSHIP_H_
#define SHOAL_COORDINATOR_MEMBERSHIP_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/event_log.h"
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

// Which workers to wait for.
struct JoinWish {
  uint32_t count = 0;              // as many, whoever they are
  std::vector<std::string> names;  // and these
  // Then until nobody has joined for so long, or there are `count_max`.
  absl::Duration settle;
  uint32_t count_max = UINT32_MAX;
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
    // The devices of the fleet in the order of their ranks; others are refused.
    // Empty: any device is let in.
    std::vector<std::string> device_names = {};
    EventLog* events = nullptr;  // who came and went; borrowed, may be null
  };

  explicit Membership(Options options);
  ~Membership();

  // Where workers join, for messages: what a firewall must let through.
  void SetListenPort(const std::string& port);

  // Judges the first message of a stream and answers it over `link`: Welcome,
  // or Refusal and null. `peer` names the other end for the log.
  // `certificate_name` is for whom the certificate is that it showed: then its
  // token does not matter.
  std::shared_ptr<RemoteWorker> Admit(const proto::Hello& hello,
                                      absl::string_view peer,
                                      std::shared_ptr<WorkerLink> link,
                                      const std::string& certificate_name = "");

  // Somebody was turned away before it could join.
  void OnRefused(const std::string& device, absl::string_view peer,
                 const absl::Status& why);

  // The stream of an admitted worker has ended.
  void Remove(const std::shared_ptr<RemoteWorker>& worker,
              const absl::Status& why);

  // By Options::device_names, by order, then by name.
  std::vector<std::shared_ptr<RemoteWorker>> workers() const;

  // A drained device may be a member, but takes no part in plans and nobody
  // waits for it; whether it is here, or comes back, does not matter.
  void SetDrained(const std::string& device, bool is_drained);
  // The same of a device that is not here; false, and nothing else: it is.
  bool SetDrainedIfAway(const std::string& device, bool is_drained);
  std::set<std::string> drained() const;
  // workers() without the drained.
  std::vector<std::shared_ptr<RemoteWorker>> active_workers() const;
  // Whoever was a member since the start.
  std::set<std::string> known_devices() const;

  bool HasSession(uint64_t session_key) const;

  // As Coordinator::WaitForWorkers(). Drained devices count as if they were
  // here.
  absl::Status WaitFor(const JoinWish& wish, absl::Time deadline,
                       const std::function<void(const JoinProgress&)>& progress,
                       const std::atomic<bool>* cancel);

  // Tells all workers that the coordinator ends; admits no more.
  void Shutdown();

 private:
  absl::Status Judge(const proto::Hello& hello,
                     const std::string& certificate_name, bool& retry);
  absl::Status JudgeProof(const proto::Hello& hello,
                          const std::string& certificate_name) const;
  size_t PlaceOf(const std::string& name) const;
  // Members that are not drained.
  uint32_t ActiveCount() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many of `count` workers there may still be.
  uint32_t WithoutDrained(uint32_t count) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetDrainedLocked(const std::string& device, bool is_drained)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsHere(const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those of `names` that are neither here nor drained.
  std::vector<std::string> Missing(const std::vector<std::string>& names) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LateError(const JoinWish& wish) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NameIsFree(const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Note(Severity severity, absl::string_view device, absl::string_view text,
            absl::string_view command = "") const;
  void Refuse(const std::string& device, absl::string_view peer,
              const absl::Status& why, bool retry, WorkerLink& link);
  void Watch();

  const Options options_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::shared_ptr<RemoteWorker>> workers_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> drained_ ABSL_GUARDED_BY(mutex_);
  // At most kKnownCountMax; later ones are not in it.
  std::set<std::string> known_ ABSL_GUARDED_BY(mutex_);
  std::deque<JoinProgress> news_ ABSL_GUARDED_BY(mutex_);  // <= kNewsMax
  absl::Status last_refusal_ ABSL_GUARDED_BY(mutex_);
  std::string last_refused_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_join_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string listen_port_ ABSL_GUARDED_BY(mutex_);  // empty: not known
  std::random_device random_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread watcher_;
};

// Compares without telling by its time where the first difference is.
bool TokensMatch(absl::string_view expected, absl::string_view shown);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_MEMBERSHIP_H_
