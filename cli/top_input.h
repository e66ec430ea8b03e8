// Where the updates of `shoal top` come from: a thread that waits for them, so
// that the keyboard need not.

#ifndef SHOAL_CLI_TOP_INPUT_H_
#define SHOAL_CLI_TOP_INPUT_H_

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

// Calls the first argument with each update until there are no more, that
// returns false, or the second is true.
using UpdateSource = std::function<absl::Status(
    const std::function<bool(const proto::WatchUpdate&)>&,
    const std::atomic<bool>&)>;

// Of a recorded file, as fast as it was recorded, but pauses of more than a
// second shorter; `at_once`: without any.
UpdateSource ReplaySource(std::string path, bool at_once);

// Also writes what passes to a new file.
// Errors of the source: those of `from` and of WatchFileWriter, too
UpdateSource RecordingSource(UpdateSource from, std::string path);

// Threads: thread-safe. Owns the thread on which the source runs.
class TopInput {
 public:
  explicit TopInput(UpdateSource source);
  ~TopInput();  // ends the source
  TopInput(const TopInput&) = delete;
  TopInput& operator=(const TopInput&) = delete;

  // Waits until there is something to take or the source has ended; false:
  // `deadline` passed.
  bool Wait(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // In order. Where nobody takes any the source waits.
  std::vector<proto::WatchUpdate> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // How the source ended, once all its updates were taken.
  std::optional<absl::Status> ended() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kUpdateCountMax = 64;
  bool Put(const proto::WatchUpdate& update) ABSL_LOCKS_EXCLUDED(mutex_);

  std::atomic<bool> cancel_ = false;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<proto::WatchUpdate> updates_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_INPUT_H_
