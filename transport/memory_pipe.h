// One direction of a link inside one process: a bounded queue of frames.

#ifndef SHOAL_TRANSPORT_MEMORY_PIPE_H_
#define SHOAL_TRANSPORT_MEMORY_PIPE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "transport/channel.h"

namespace shoal::transport {

// Threads: thread-safe.
class MemoryPipe {
 public:
  struct Message {
    Message() = default;
    Message(std::span<const std::byte> head, std::span<const std::byte> tail);

    std::span<std::byte> bytes() {
      return std::as_writable_bytes(std::span(words)).first(byte_count);
    }

    std::vector<uint64_t> words;  // uint64_t for the alignment
    size_t byte_count = 0;
    absl::Time deliver_at = absl::InfinitePast();
  };

  // REQUIRES: message_count_max >= 1.
  explicit MemoryPipe(size_t message_count_max)
      : message_count_max_(message_count_max) {}

  // Waits while the pipe is full.
  // Errors: kDeadlineExceeded; kUnavailable  closed; kCancelled  aborted
  absl::Status Push(Message message, const AbortState& abort,
                    absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);

  // Pushes even if the pipe is full. Lost if it is closed.
  void PushOver(Message message) ABSL_LOCKS_EXCLUDED(mutex_);

  // The oldest message, once its time has come. Errors: as Push().
  absl::StatusOr<Message> Pop(const AbortState& abort, absl::Time deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What is in the pipe can still be popped, or is dropped.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);
  void Break() ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes waiting calls look at their `abort`.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const size_t message_count_max_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Message> queue_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_MEMORY_PIPE_H_
