#include "cli/rest_keeper.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);

}  // namespace

RestKeeper::RestKeeper(coordinator::Coordinator& coordinator,
                       worker::RankEngine& rank0)
    : coordinator_(coordinator), rank0_(rank0), thread_([this] { Run(); }) {}

RestKeeper::~RestKeeper() {
  {
    base::MutexLock lock(mutex_);
    ending_ = true;
  }
  ended_.NotifyAll();
  thread_.join();
}

void RestKeeper::Run() {
  mutex_.Lock();
  while (!ending_) {
    const absl::Time next = absl::Now() + kInterval;
    bool in_time = true;
    while (!ending_ && in_time) in_time = ended_.WaitUntil(mutex_, next);
    if (ending_) break;
    mutex_.Unlock();
    coordinator_.InTurn([this] { rank0_.Rest(); });
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace shoal::cli
