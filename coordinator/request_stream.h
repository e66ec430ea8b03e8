// What a client sees of its request: text as it comes, and the end.

#ifndef SHOAL_COORDINATOR_REQUEST_STREAM_H_
#define SHOAL_COORDINATOR_REQUEST_STREAM_H_

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "coordinator/generation.h"

namespace shoal::coordinator {

// What has happened since the last call.
struct RequestNews {
  std::string text;
  std::vector<ChoiceLogprobs> logprobs;
  std::optional<absl::StatusOr<GenerateResult>> end;  // the last news has it

  bool empty() const { return text.empty() && logprobs.empty() && !end; }
};

// News that the client has not fetched yet is kept, so that a slow client holds
// up nobody: at most the text of one generation.
//
// Threads: thread-safe; one client and one who serves it.
class RequestStream {
 public:
  // Of the client. Blocks until there is news; what it returns is empty if
  // there was none by `deadline`, or the end was fetched before.
  RequestNews Next(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // The client wants no more. Seen before the next pass.
  void Cancel() { cancelled_ = true; }

  // Of who serves it.
  bool cancelled() const { return cancelled_; }
  void Add(absl::string_view text, std::vector<ChoiceLogprobs> logprobs)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void End(absl::StatusOr<GenerateResult> end) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::atomic<bool> cancelled_ = false;
  base::Mutex mutex_;
  base::CondVar changed_;
  RequestNews news_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_REQUEST_STREAM_H_
