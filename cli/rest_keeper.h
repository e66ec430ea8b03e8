// Lets this device follow its memory's limits while it has nothing to do.

#ifndef SHOAL_CLI_REST_KEEPER_H_
#define SHOAL_CLI_REST_KEEPER_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "coordinator/coordinator.h"
#include "worker/rank_engine.h"

namespace shoal::cli {

// Calls RankEngine::Rest() of rank 0 when it wants it, between what else is
// asked of the ranks: passes look at the limits by themselves, but a chat or a
// service may be long without one.
// Threads: owns one, which the destructor joins.
class RestKeeper {
 public:
  // Both are borrowed and must outlive this.
  RestKeeper(coordinator::Coordinator& coordinator, worker::RankEngine& rank0);
  ~RestKeeper();
  RestKeeper(const RestKeeper&) = delete;
  RestKeeper& operator=(const RestKeeper&) = delete;

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  coordinator::Coordinator& coordinator_;
  worker::RankEngine& rank0_;
  base::Mutex mutex_;
  base::CondVar ended_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_REST_KEEPER_H_
