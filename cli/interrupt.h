// SIGINT and SIGTERM as a flag that the program looks at.

#ifndef SHOAL_CLI_INTERRUPT_H_
#define SHOAL_CLI_INTERRUPT_H_

#include <atomic>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace shoal::cli {

// While it lives, the first signal sets the flags and calls `on_interrupt`; the
// second ends the process at once with exit code 130.
//
// Threads: create it before any other thread, so that all of them leave the
//          signals to it. Owns a thread; `on_interrupt` is called by it.
//          Otherwise thread-safe.
class InterruptWatcher {
 public:
  explicit InterruptWatcher(std::function<void()> on_interrupt = nullptr);
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  bool interrupted() const { return interrupted_; }

  // Calls this from now on, instead; at once if there was a signal, and a second
  // time if that comes at the same moment. Afterwards what was called before is
  // not any more. Null: nothing.
  // REQUIRES: it does not call this.
  void CallOnInterrupt(std::function<void()> on_interrupt)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For what can be cancelled. Others than a signal may set it, too.
  std::atomic<bool>& cancel() { return cancel_; }

  // Readable once there was a signal; for poll().
  int file() const { return pipe_[0]; }

 private:
  void Watch();

  base::Mutex mutex_;  // held while it is called
  std::function<void()> on_interrupt_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> interrupted_ = false;
  std::atomic<bool> cancel_ = false;
  std::atomic<bool> ends_ = false;
  int pipe_[2];
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_INTERRUPT_H_
