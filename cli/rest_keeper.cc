#include "cli/rest_keeper.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::cli {
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
  absl::Duration rest;
  const auto look = [&] { rest = rank0_.Rest(); };
  while (true) {
    coordinator_.InTurn(look);
    const absl::Time next = absl::Now() + rest;
    base::MutexLock lock(mutex_);
    bool in_time = true;
    while (!ending_ && in_time) in_time = ended_.WaitUntil(mutex_, next);
    if (ending_) return;
  }
}

}  // namespace shoal::cli
