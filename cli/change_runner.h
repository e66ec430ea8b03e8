// Carries a change of the fleet out for `shoal top`, which goes on meanwhile.

#ifndef SHOAL_CLI_CHANGE_RUNNER_H_
#define SHOAL_CLI_CHANGE_RUNNER_H_

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cli/coordinator_client.h"
#include "coordinator/fleet_change.h"

namespace shoal::cli {

// As CoordinatorClient::Change().
using ChangeFunction = std::function<absl::StatusOr<ChangeState>(
    const coordinator::FleetChange&,
    const std::function<bool(const ChangeState&)>&, const std::atomic<bool>&)>;

// Threads: thread-compatible. Owns one for the change under way.
class ChangeRunner {
 public:
  struct News {
    std::string text;  // one line
    bool ended = false;
  };

  explicit ChangeRunner(ChangeFunction change) : change_(std::move(change)) {}
  // Waits no longer for a change under way; it goes on where it runs.
  ~ChangeRunner();
  ChangeRunner(const ChangeRunner&) = delete;
  ChangeRunner& operator=(const ChangeRunner&) = delete;

  // REQUIRES: the change before has ended, as Take() said.
  void Start(const coordinator::FleetChange& change);
  // The newest, once. An error is the text of the last.
  std::optional<News> Take() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Put(News news) ABSL_LOCKS_EXCLUDED(mutex_);

  const ChangeFunction change_;
  std::atomic<bool> cancel_ = false;
  base::Mutex mutex_;
  std::optional<News> news_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CHANGE_RUNNER_H_
