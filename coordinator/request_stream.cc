#include "coordinator/request_stream.h"

#include <iterator>
#include <utility>

namespace shoal::coordinator {

RequestNews RequestStream::Next(absl::Time deadline) {
  base::MutexLock lock(mutex_);
  while (news_.empty()) {
    if (!changed_.WaitUntil(mutex_, deadline)) break;
  }
  RequestNews news = std::move(news_);
  news_ = {};
  return news;
}

void RequestStream::Add(absl::string_view text,
                        std::vector<ChoiceLogprobs> logprobs) {
  base::MutexLock lock(mutex_);
  news_.text.append(text.data(), text.size());
  news_.logprobs.insert(news_.logprobs.end(),
                        std::make_move_iterator(logprobs.begin()),
                        std::make_move_iterator(logprobs.end()));
  changed_.NotifyAll();
}

void RequestStream::End(absl::StatusOr<GenerateResult> end) {
  base::MutexLock lock(mutex_);
  news_.end = std::move(end);
  changed_.NotifyAll();
}

}  // namespace shoal::coordinator
