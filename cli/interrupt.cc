#include "cli/interrupt.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/check.h"

namespace shoal::cli {
namespace {

constexpr int kExitInterrupted = 130;

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

InterruptWatcher::InterruptWatcher(std::function<void()> on_interrupt)
    : on_interrupt_(std::move(on_interrupt)) {
  SHOAL_CHECK(pipe2(pipe_, O_CLOEXEC) == 0);
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

InterruptWatcher::~InterruptWatcher() {
  ends_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  close(pipe_[0]);
  close(pipe_[1]);
}

void InterruptWatcher::CallOnInterrupt(std::function<void()> on_interrupt) {
  base::MutexLock lock(mutex_);
  on_interrupt_ = std::move(on_interrupt);
  if (on_interrupt_ && interrupted_) on_interrupt_();
}

void InterruptWatcher::Watch() {
  const sigset_t set = Signals();
  for (;;) {
    int number = 0;
    if (sigwait(&set, &number) != 0) continue;
    if (ends_) return;
    if (interrupted_.exchange(true)) _exit(kExitInterrupted);
    cancel_ = true;
    const char byte = 0;
    SHOAL_CHECK(write(pipe_[1], &byte, 1) == 1);
    base::MutexLock lock(mutex_);
    if (on_interrupt_) on_interrupt_();
  }
}

}  // namespace shoal::cli
