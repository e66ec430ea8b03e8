// The worker processes of --local: started from this program, never left
// behind.

#ifndef SHOAL_CLI_LOCAL_FLEET_H_
#define SHOAL_CLI_LOCAL_FLEET_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace shoal::cli {

struct LocalWorker {
  std::string name;
  std::vector<std::string> arguments;  // without the program's name
};

// Each worker dies with the thread that started it, whatever ends that
// (PR_SET_PDEATHSIG), so start them from the main thread. Terminal interrupts
// do not reach them: the coordinator tells them when to end.
//
// Threads: thread-compatible; owns a thread that reads what the workers print
//          on standard error and passes it on, line by line.
class LocalFleet {
 public:
  struct Options {
    std::string program = "/proc/self/exe";
    std::vector<LocalWorker> workers;
    // Added to the environment, "NAME=value"; not seen in a process list.
    std::vector<std::string> environment;
    // A worker ended before Stop(), with its last words. Called by the fleet's
    // thread.
    std::function<void(const std::string& name, const std::string& why)>
        on_exit;
  };

  // Errors: kUnavailable  a process cannot be started
  static absl::StatusOr<std::unique_ptr<LocalFleet>> Start(Options options);

  // As Stop() without patience.
  ~LocalFleet();
  LocalFleet(const LocalFleet&) = delete;
  LocalFleet& operator=(const LocalFleet&) = delete;

  // Waits until all have ended, and kills those that have not by `deadline`.
  void Stop(absl::Time deadline);

  // By order of Options::workers.
  std::vector<pid_t> pids() const;

 private:
  struct Process {
    std::string name;
    pid_t pid = -1;
    int errors = -1;  // what it prints; closed at its end
    std::string line;
    // Told after a moment, so that what a process says at its end is told once,
    // with how it ended.
    std::string last_line;
    bool is_told = true;
    bool ended = false;
  };

  explicit LocalFleet(Options options);
  std::string HowItEnded(int status);
  absl::Status StartOne(const LocalWorker& worker);
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_);
  void Read(Process& process);
  void Tell(Process& process);
  void Reap(Process& process) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  uint64_t oom_kills_ = 0;          // of the whole system, as far as we know
  std::vector<Process> processes_;  // of the watching thread, once it runs
  std::atomic<bool> stopping_ = false;
  base::Mutex mutex_;
  base::CondVar ended_;
  size_t running_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_LOCAL_FLEET_H_
