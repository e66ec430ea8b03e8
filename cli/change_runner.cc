#include "cli/change_runner.h"

#include <utility>

namespace shoal::cli {

ChangeRunner::~ChangeRunner() {
  cancel_ = true;
  if (thread_.joinable()) thread_.join();
}

void ChangeRunner::Start(const coordinator::FleetChange& change) {
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this, change] {
    const absl::StatusOr<ChangeState> state = change_(
        change,
        [this](const ChangeState& now) {
          Put({now.text, false});
          return true;
        },
        cancel_);
    Put({state.ok() ? state->text : std::string(state.status().message()),
         true});
  });
}

std::optional<ChangeRunner::News> ChangeRunner::Take() {
  base::MutexLock lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

void ChangeRunner::Put(News news) {
  base::MutexLock lock(mutex_);
  news_ = std::move(news);
}

}  // namespace shoal::cli
