// Makes a rank do what one coordinator says.

#ifndef SHOAL_WORKER_RANK_SESSION_H_
#define SHOAL_WORKER_RANK_SESSION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "parallel/rank.h"
#include "proto/fleet.pb.h"

namespace shoal::worker {

// A fetcher that another thread can end.
class StoppableFetcher : public parallel::UnitFetcher {
 public:
  // Fetch() returns kCancelled soon, now and later.
  virtual void Stop() = 0;
};

// Knows no gRPC: messages come in and go out by calls.
//
// Threads: OnMessage() is called by one thread at a time and does not block on
//          the rank. Owns one thread, on which the rank runs.
// Failure: an error of the rank goes out as Failed, unless the coordinator
//          ended the plan itself.
class RankSession {
 public:
  struct Options {
    // Sends a message; any thread. Must not block for long.
    std::function<void(const proto::WorkerMessage&)> send;
    std::function<std::unique_ptr<StoppableFetcher>(uint64_t epoch)>
        make_fetcher;
    // Where this worker reached the coordinator; stands for kReachedHost in
    // what it shall dial. IPv6 in brackets.
    std::string coordinator_host;
    // One line for people; may be null.
    std::function<void(absl::string_view)> on_event;
  };

  // `rank` is borrowed and must outlive this.
  RankSession(Options options, parallel::Rank& rank);
  // Ends the plan, unloads the rank.
  ~RankSession();
  RankSession(const RankSession&) = delete;
  RankSession& operator=(const RankSession&) = delete;

  // Load, connect, serve, abort, unload, ask_report, ask_trace; others are
  // ignored.
  void OnMessage(const proto::CoordinatorMessage& message);

 private:
  void Run();
  absl::Status Obey(const proto::CoordinatorMessage& command);
  absl::Status Load(const proto::Load& load);
  absl::Status Connect(const proto::Connect& connect);
  // Ends what runs for `epoch` and skips what waits for it.
  void EndEpoch(uint64_t epoch, const absl::Status& why);
  bool Ended(uint64_t epoch);
  void Unload();
  void Enqueue(const proto::CoordinatorMessage& message);
  void SendFailed(uint64_t epoch, const absl::Status& status);
  void Tell(absl::string_view line) const;

  const Options options_;
  parallel::Rank& rank_;

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<proto::CoordinatorMessage> commands_ ABSL_GUARDED_BY(mutex_);
  uint64_t ended_epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // it and all below
  // The rank borrows it until it is unloaded.
  std::shared_ptr<StoppableFetcher> fetcher_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread runner_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_RANK_SESSION_H_
