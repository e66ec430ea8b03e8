#include "dashboard/chat_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace shoal::dashboard {
namespace {

using Json = nlohmann::ordered_json;
using coordinator::GenerateResult;

std::string EventOf(const char* name, const Json& body) {
  return absl::StrCat("event: ", name, "\ndata: ",
                      body.dump(-1, ' ', false, Json::error_handler_t::replace),
                      "\n\n");
}

Json JsonOf(const GenerateResult& result) {
  return {
      {"finish_reason",
       std::string(coordinator::ToString(result.finish_reason))},
      {"prompt_tokens", result.prompt_tokens},
      {"tokens", result.token_ids.size()},
      {"time_to_first_token_ms",
       absl::ToDoubleMilliseconds(result.time_to_first_token)},
      {"ms_per_token", absl::ToDoubleMilliseconds(result.time_per_token())}};
}

}  // namespace

ChatStream::ChatStream(Generate generate, coordinator::GenerateRequest request)
    : thread_([this, generate = std::move(generate),
               request = std::move(request)] { Run(generate, request); }) {}

ChatStream::~ChatStream() {
  cancel_ = true;
  thread_.join();
}

void ChatStream::Run(const Generate& generate,
                     const coordinator::GenerateRequest& request) {
  bool is_too_slow = false;
  const auto on_text = [this, &is_too_slow](absl::string_view text) {
    base::MutexLock lock(mutex_);
    if (pending_.size() + text.size() > kPendingBytesMax) {
      is_too_slow = true;
      cancel_ = true;
      return;
    }
    pending_.append(text.data(), text.size());
    changed_.NotifyAll();
  };
  absl::StatusOr<GenerateResult> result = generate(request, on_text, cancel_);
  if (is_too_slow) {
    result = absl::ResourceExhaustedError(
        "the answer was given up: it came faster than it was read");
  }
  base::MutexLock lock(mutex_);
  result_ = std::move(result);
  changed_.NotifyAll();
}

std::string ChatStream::Next(absl::Time deadline) {
  base::MutexLock lock(mutex_);
  while (pending_.empty() && !result_) {
    if (absl::Now() >= deadline) return "";
    changed_.WaitUntil(mutex_, deadline);
  }
  std::string events;
  if (!pending_.empty()) {
    events = EventOf("text", {{"text", std::exchange(pending_, "")}});
  }
  if (!result_ || ended_) return events;
  ended_ = true;
  if (result_->ok()) return events + EventOf("done", JsonOf(**result_));
  return events +
         EventOf("error",
                 {{"message", std::string(result_->status().message())}});
}

}  // namespace shoal::dashboard
