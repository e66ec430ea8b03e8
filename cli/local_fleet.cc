#include "cli/local_fleet.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::cli {
namespace {

constexpr size_t kLineBytesMax = 4096;
constexpr int kExitCannotStart = 127;
constexpr int kLastLineWaitMs = 200;

// Between fork and exec only what is safe there, in a process whose other
// threads are gone.
[[noreturn]] void BecomeWorker(pid_t parent, const char* program, int errors,
                               char* const* argv, char* const* environment) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the line above.
  if (getppid() != parent) _exit(kExitCannotStart);
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(nothing, 1);
  dup2(errors, 2);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(program, argv, environment);
  _exit(kExitCannotStart);
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// How many processes the system has killed because memory, or the limit of a
// control group, was at its end. 0 where it does not say (before Linux 4.13).
uint64_t OomKills() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  uint64_t count = 0;
  while (file >> name >> count) {
    if (name == "oom_kill") return count;
  }
  return 0;
}

}  // namespace

LocalFleet::LocalFleet(Options options)
    : options_(std::move(options)), oom_kills_(OomKills()) {}

std::string LocalFleet::HowItEnded(int status) {
  if (!WIFSIGNALED(status)) {
    return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
  }
  const uint64_t before = std::exchange(oom_kills_, OomKills());
  if (WTERMSIG(status) == SIGKILL && oom_kills_ > before) {
    return "was killed, as it seems by the system for memory: it, or a control "
           "group, had none left; give the devices less (--memory), or stop "
           "other programs";
  }
  return absl::StrCat("was ended by signal ", WTERMSIG(status), " (",
                      strsignal(WTERMSIG(status)), ")");
}

absl::StatusOr<std::unique_ptr<LocalFleet>> LocalFleet::Start(Options options) {
  std::unique_ptr<LocalFleet> fleet(new LocalFleet(std::move(options)));
  for (const LocalWorker& worker : fleet->options_.workers) {
    SHOAL_RETURN_IF_ERROR(fleet->StartOne(worker));
  }
  {
    base::MutexLock lock(fleet->mutex_);
    fleet->running_count_ = fleet->processes_.size();
  }
  fleet->thread_ = std::thread([f = fleet.get()] { f->Watch(); });
  return fleet;
}

LocalFleet::~LocalFleet() { Stop(absl::UnixEpoch()); }

absl::Status LocalFleet::StartOne(const LocalWorker& worker) {
  std::vector<std::string> words = {"shoal"};
  words.insert(words.end(), worker.arguments.begin(), worker.arguments.end());
  std::vector<std::string> settings;
  for (char** setting = environ; *setting != nullptr; ++setting) {
    settings.emplace_back(*setting);
  }
  settings.insert(settings.end(), options_.environment.begin(),
                  options_.environment.end());
  const std::vector<char*> argv = Pointers(words);
  const std::vector<char*> environment = Pointers(settings);
  int errors[2];
  if (pipe2(errors, O_CLOEXEC) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start ", worker.name, ": ", std::strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    BecomeWorker(parent, options_.program.c_str(), errors[1], argv.data(),
                 environment.data());
  }
  const int fork_error = errno;
  close(errors[1]);
  if (pid < 0) {
    close(errors[0]);
    return absl::UnavailableError(absl::StrCat(
        "cannot start ", worker.name, ": ", std::strerror(fork_error)));
  }
  Process process;
  process.name = worker.name;
  process.pid = pid;
  process.errors = errors[0];
  processes_.push_back(std::move(process));
  return absl::OkStatus();
}

void LocalFleet::Read(Process& process) {
  char buffer[1024];
  const ssize_t count = read(process.errors, buffer, sizeof(buffer));
  if (count < 0 && errno == EINTR) return;
  for (ssize_t i = 0; i < count; ++i) {
    if (buffer[i] != '\n' && process.line.size() < kLineBytesMax) {
      process.line.push_back(buffer[i]);
      continue;
    }
    Tell(process);
    process.last_line = std::exchange(process.line, "");
    process.is_told = process.last_line.empty();
  }
  if (count <= 0) Reap(process);
}

void LocalFleet::Tell(Process& process) {
  if (process.is_told) return;
  std::fprintf(stderr, "%s: %s\n", process.name.c_str(),
               process.last_line.c_str());
  process.is_told = true;
}

void LocalFleet::Reap(Process& process) {
  close(process.errors);
  process.errors = -1;
  // Wait first, and take the process off the system's list under the lock:
  // until then its number is not given to another, so Stop() can kill by it.
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(process.pid), &info,
                WEXITED | WNOWAIT) < 0 &&
         errno == EINTR) {
  }
  int status = 0;
  {
    base::MutexLock lock(mutex_);
    waitpid(process.pid, &status, 0);
    process.ended = true;
    --running_count_;
    ended_.NotifyAll();
  }
  // Of one that ended as it should nobody asks for last words.
  if (status == 0 || stopping_ || !options_.on_exit) Tell(process);
  if (!stopping_ && options_.on_exit) {
    options_.on_exit(
        process.name,
        absl::StrCat(HowItEnded(status), process.last_line.empty() ? "" : ": ",
                     process.last_line));
  }
}

void LocalFleet::Watch() {
  for (;;) {
    std::vector<pollfd> files;
    std::vector<Process*> owners;
    bool is_all_told = true;
    for (Process& process : processes_) {
      if (process.ended) continue;
      files.push_back({process.errors, POLLIN, 0});
      owners.push_back(&process);
      is_all_told = is_all_told && process.is_told;
    }
    if (files.empty()) return;
    const int ready =
        poll(files.data(), files.size(), is_all_told ? -1 : kLastLineWaitMs);
    if (ready < 0) continue;
    if (ready == 0) {
      for (Process* process : owners) Tell(*process);
    }
    for (size_t i = 0; i < files.size(); ++i) {
      if (files[i].revents != 0) Read(*owners[i]);
    }
  }
}

void LocalFleet::Stop(absl::Time deadline) {
  stopping_ = true;
  if (thread_.joinable()) {
    {
      base::MutexLock lock(mutex_);
      bool in_time = true;
      while (running_count_ > 0 && in_time) {
        in_time = ended_.WaitUntil(mutex_, deadline);
      }
    }
    base::MutexLock lock(mutex_);
    if (running_count_ > 0) {
      for (const Process& process : processes_) {
        if (!process.ended) kill(process.pid, SIGKILL);
      }
    }
  } else {
    for (Process& process : processes_) {
      kill(process.pid, SIGKILL);
      waitpid(process.pid, nullptr, 0);
      close(process.errors);
    }
    processes_.clear();
  }
  if (thread_.joinable()) thread_.join();
}

std::vector<pid_t> LocalFleet::pids() const {
  std::vector<pid_t> pids;
  for (const Process& process : processes_) pids.push_back(process.pid);
  return pids;
}

}  // namespace shoal::cli
