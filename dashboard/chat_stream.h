// An answer of the model on its way to a page.

#ifndef SHOAL_DASHBOARD_CHAT_STREAM_H_
#define SHOAL_DASHBOARD_CHAT_STREAM_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/generation.h"

namespace shoal::dashboard {

// Blocks until the answer is whole; ends soon once `cancel`.
using Generate = std::function<absl::StatusOr<coordinator::GenerateResult>(
    const coordinator::GenerateRequest& request,
    const coordinator::TextCallback& on_text, const std::atomic<bool>& cancel)>;

// Runs `generate` on a thread of its own. As server-sent events:
//   event: text     {"text":TEXT}
//   event: done     {"finish_reason":WORD,"prompt_tokens":N,"tokens":N,
//                    "time_to_first_token_ms":X,"ms_per_token":X}
//   event: error    {"message":TEXT}, after which there are none
//
// Limits:  an answer of which kPendingBytesMax are not taken is given up.
// Threads: thread-compatible.
class ChatStream {
 public:
  static constexpr size_t kPendingBytesMax = size_t{1} << 20;

  ChatStream(Generate generate, coordinator::GenerateRequest request);
  // Cancels, and waits for that.
  ~ChatStream();
  ChatStream(const ChatStream&) = delete;
  ChatStream& operator=(const ChatStream&) = delete;

  // Waits for news; empty: there are none by `deadline`.
  std::string Next(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // All was given out.
  bool ended() const { return ended_; }

 private:
  void Run(const Generate& generate,
           const coordinator::GenerateRequest& request);

  std::atomic<bool> cancel_ = false;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);  // text
  std::optional<absl::StatusOr<coordinator::GenerateResult>> result_
      ABSL_GUARDED_BY(mutex_);
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace shoal::dashboard

#endif  // SHOAL_DASHBOARD_CHAT_STREAM_H_
