#include "transport/memory_pipe.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace shoal::transport {

MemoryPipe::Message::Message(std::span<const std::byte> head,
                             std::span<const std::byte> tail)
    : words((head.size() + tail.size() + sizeof(uint64_t) - 1) /
            sizeof(uint64_t)),
      byte_count(head.size() + tail.size()) {
  const auto end = std::copy(head.begin(), head.end(), bytes().begin());
  std::copy(tail.begin(), tail.end(), end);
}

absl::Status MemoryPipe::Push(Message message, const AbortState& abort,
                              absl::Time deadline) {
  base::MutexLock lock(mutex_);
  for (;;) {
    if (abort.aborted()) return absl::CancelledError();
    if (closed_) return absl::UnavailableError("closed its end of the link");
    if (queue_.size() < message_count_max_) break;
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("");
    changed_.WaitUntil(mutex_, deadline);
  }
  queue_.push_back(std::move(message));
  changed_.NotifyAll();
  return absl::OkStatus();
}

void MemoryPipe::PushOver(Message message) {
  base::MutexLock lock(mutex_);
  if (closed_) return;
  queue_.push_back(std::move(message));
  changed_.NotifyAll();
}

absl::StatusOr<MemoryPipe::Message> MemoryPipe::Pop(const AbortState& abort,
                                                    absl::Time deadline) {
  base::MutexLock lock(mutex_);
  for (;;) {
    if (abort.aborted()) return absl::CancelledError();
    const absl::Time now = absl::Now();
    if (!queue_.empty() && queue_.front().deliver_at <= now) break;
    if (queue_.empty() && closed_)
      return absl::UnavailableError("closed its end of the link");
    if (now >= deadline) return absl::DeadlineExceededError("");
    changed_.WaitUntil(
        mutex_, queue_.empty() ? deadline
                               : std::min(deadline, queue_.front().deliver_at));
  }
  Message message = std::move(queue_.front());
  queue_.pop_front();
  changed_.NotifyAll();
  return message;
}

void MemoryPipe::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
}

void MemoryPipe::Break() {
  base::MutexLock lock(mutex_);
  closed_ = true;
  queue_.clear();
  changed_.NotifyAll();
}

void MemoryPipe::Wake() {
  base::MutexLock lock(mutex_);
  changed_.NotifyAll();
}

}  // namespace shoal::transport
