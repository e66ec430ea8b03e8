#include "coordinator/request_queue.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::coordinator {
namespace {

// How often a client that waits is asked whether it is still there.
constexpr absl::Duration kGoneCheckInterval = absl::Milliseconds(200);

}  // namespace

absl::string_view ToString(ServiceState state) {
  switch (state) {
    case ServiceState::kLoading:
      return "loading";
    case ServiceState::kReady:
      return "ready";
    case ServiceState::kFailed:
      return "failed";
    case ServiceState::kStopping:
      return "stopping";
  }
  return "unknown";
}

RequestQueue::RequestQueue(const Options& options, Coordinator& coordinator)
    : options_(options),
      coordinator_(coordinator),
      reason_(absl::UnavailableError("the model is being loaded")) {
  thread_ = std::thread([this] { Run(); });
}

RequestQueue::~RequestQueue() {
  Stop(absl::Now());
  {
    base::MutexLock lock(mutex_);
    quits_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void RequestQueue::SetReady(uint32_t session_count) {
  SHOAL_CHECK(session_count > 0);
  base::MutexLock lock(mutex_);
  if (state_ == ServiceState::kStopping) return;
  state_ = ServiceState::kReady;
  session_count_ = session_count;
  reason_ = absl::OkStatus();
  EndHold();
  changed_.NotifyAll();
}

void RequestQueue::SetNotReady(ServiceState state, const absl::Status& why) {
  std::deque<Request> waiting;
  base::MutexLock lock(mutex_);
  if (state_ == ServiceState::kStopping) return;
  state_ = state;
  reason_ = why;
  EndHold();
  std::swap(waiting, waiting_);
  counters_.waiting_count = 0;
  counters_.failed_count += waiting.size();
  for (Request& request : waiting) request.stream->End(Refusal());
  drops_active_ = true;
  changed_.NotifyAll();
  while (drops_active_ && !quits_) changed_.Wait(mutex_);
}

void RequestQueue::Hold() {
  base::MutexLock lock(mutex_);
  holds_ = true;
}

bool RequestQueue::AwaitIdle(absl::Time deadline) {
  base::MutexLock lock(mutex_);
  while (counters_.active_count > 0) {
    if (!changed_.WaitUntil(mutex_, deadline)) break;
  }
  return counters_.active_count == 0;
}

bool RequestQueue::Park() {
  base::MutexLock lock(mutex_);
  SHOAL_CHECK(holds_);
  parks_ = true;
  changed_.NotifyAll();
  while (parks_ && !is_parked_ && !quits_) changed_.Wait(mutex_);
  return state_ == ServiceState::kReady;
}

void RequestQueue::EndHold() {
  holds_ = false;
  parks_ = false;
}

// The plan may be another one afterwards, and have fewer sessions.
void RequestQueue::StayParked() {
  is_parked_ = true;
  changed_.NotifyAll();
  while (parks_ && !quits_) changed_.Wait(mutex_);
  is_parked_ = false;
  for (Request& request : active_) request.generation->Restart();
  while (active_.size() > session_count_) {
    waiting_.push_front(std::move(active_.back()));
    active_.pop_back();
  }
}

absl::Status RequestQueue::Refusal() const {
  return absl::UnavailableError(reason_.message());
}

void RequestQueue::DropCancelledWaiting() {
  std::erase_if(waiting_, [this](Request& request) {
    if (!request.stream->cancelled()) return false;
    request.generation->Cancel();
    request.stream->End(request.generation->TakeResult());
    ++counters_.cancelled_count;
    return true;
  });
  counters_.waiting_count = static_cast<uint32_t>(waiting_.size());
}

absl::StatusOr<std::shared_ptr<RequestStream>> RequestQueue::Submit(
    const GenerateRequest& request) {
  {
    base::MutexLock lock(mutex_);
    if (state_ != ServiceState::kReady) {
      ++counters_.refused_count;
      return Refusal();
    }
  }
  auto prepared = coordinator_.Prepare(request);
  if (absl::IsResourceExhausted(prepared.status())) {
    return absl::InvalidArgumentError(prepared.status().message());
  }
  SHOAL_RETURN_IF_ERROR(prepared.status());
  base::MutexLock lock(mutex_);
  // It may have changed meanwhile.
  if (state_ != ServiceState::kReady) {
    ++counters_.refused_count;
    return Refusal();
  }
  DropCancelledWaiting();
  if (waiting_.size() >= options_.waiting_count_max) {
    ++counters_.refused_count;
    return absl::ResourceExhaustedError(absl::StrCat(
        counters_.active_count, " requests are served and ", waiting_.size(),
        " wait, as many as there may; try again later, or allow more with "
        "--queue"));
  }
  auto stream = std::make_shared<RequestStream>();
  Request& added = waiting_.emplace_back();
  added.generation = *std::move(prepared);
  added.stream = stream;
  added.record.number = ++submitted_count_;
  added.record.submitted = absl::Now();
  added.record.prompt_tokens = added.generation->prompt_count();
  counters_.waiting_count = static_cast<uint32_t>(waiting_.size());
  changed_.NotifyAll();
  return stream;
}

absl::StatusOr<GenerateResult> RequestQueue::Generate(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::function<bool()>& is_gone) {
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<RequestStream> stream,
                         Submit(request));
  for (;;) {
    RequestNews news = stream->Next(absl::Now() + kGoneCheckInterval);
    if (is_gone()) stream->Cancel();
    if (on_text && !news.text.empty()) on_text(news.text);
    if (news.end) return *std::move(news.end);
  }
}

void RequestQueue::Stop(absl::Time deadline) {
  std::deque<Request> waiting;
  const absl::Status why =
      absl::UnavailableError("the service is shutting down");
  {
    base::MutexLock lock(mutex_);
    state_ = ServiceState::kStopping;
    reason_ = why;
    EndHold();
    std::swap(waiting, waiting_);
    counters_.waiting_count = 0;
    counters_.failed_count += waiting.size();
    for (Request& request : waiting) request.stream->End(Refusal());
    changed_.NotifyAll();
    while (counters_.active_count > 0) {
      if (!changed_.WaitUntil(mutex_, deadline)) break;
    }
    cancels_active_ = true;
    changed_.NotifyAll();
    const absl::Time pass_end = absl::Now() + options_.pass_grace;
    while (counters_.active_count > 0) {
      if (!changed_.WaitUntil(mutex_, pass_end)) break;
    }
    if (counters_.active_count == 0) return;
  }
  coordinator_.AbortPass(why);
  base::MutexLock lock(mutex_);
  while (counters_.active_count > 0) changed_.Wait(mutex_);
}

ServiceState RequestQueue::WaitForFault(absl::Time deadline) {
  base::MutexLock lock(mutex_);
  while (state_ != ServiceState::kFailed && !nudged_) {
    if (!changed_.WaitUntil(mutex_, deadline)) break;
  }
  nudged_ = false;
  return state_;
}

void RequestQueue::Nudge() {
  base::MutexLock lock(mutex_);
  nudged_ = true;
  changed_.NotifyAll();
}

ServiceState RequestQueue::state() const {
  base::MutexLock lock(mutex_);
  return state_;
}

absl::Status RequestQueue::reason() const {
  base::MutexLock lock(mutex_);
  return reason_;
}

ServiceCounters RequestQueue::counters() const {
  base::MutexLock lock(mutex_);
  return counters_;
}

std::vector<RequestRecord> RequestQueue::records() const {
  base::MutexLock lock(mutex_);
  return records_;
}

void RequestQueue::Keep(RequestRecord& record) {
  if (records_.size() >= options_.record_count_max) return;
  record.ended = absl::Now();
  if (record.first_token == absl::Time()) record.first_token = record.ended;
  records_.push_back(std::move(record));
}

// False: the thread is to end.
bool RequestQueue::AwaitWork() {
  base::MutexLock lock(mutex_);
  for (;;) {
    if (parks_) StayParked();
    if (drops_active_) {
      FailActive(Refusal());
      drops_active_ = false;
      changed_.NotifyAll();
    }
    if (quits_) return false;
    DropCancelledWaiting();
    while (state_ == ServiceState::kReady && !holds_ && !waiting_.empty() &&
           active_.size() < session_count_) {
      active_.push_back(std::move(waiting_.front()));
      active_.back().record.begun = absl::Now();
      waiting_.pop_front();
    }
    counters_.waiting_count = static_cast<uint32_t>(waiting_.size());
    counters_.active_count = static_cast<uint32_t>(active_.size());
    if (cancels_active_) {
      for (Request& request : active_) request.stream->Cancel();
    }
    if (!active_.empty()) return true;
    changed_.Wait(mutex_);
  }
}

void RequestQueue::Run() {
  while (AwaitWork()) RunPass();
}

void RequestQueue::RunPass() {
  std::vector<ActiveGeneration*> generations;
  for (Request& request : active_) {
    if (request.stream->cancelled()) request.generation->Cancel();
    generations.push_back(request.generation.get());
  }
  const absl::Time begin = absl::Now();
  const absl::Status status = coordinator_.Step(generations);
  {
    base::MutexLock lock(mutex_);
    ++counters_.pass_count;
    counters_.pass_time += absl::Now() - begin;
  }
  if (!status.ok()) return OnFault(status);
  for (Request& request : active_) PassOnNews(request);
  std::erase_if(active_, [this](Request& request) {
    if (!request.generation->done()) return false;
    EndRequest(request);
    return true;
  });
  // Where a pass has no room for all, everyone comes to be first.
  if (active_.size() > 1) {
    std::rotate(active_.begin(), active_.begin() + 1, active_.end());
  }
  base::MutexLock lock(mutex_);
  counters_.active_count = static_cast<uint32_t>(active_.size());
  changed_.NotifyAll();
}

void RequestQueue::PassOnNews(Request& request) {
  const GenerateResult& result = request.generation->result();
  absl::Time& first_token = request.record.first_token;
  if (first_token == absl::Time() && !result.token_ids.empty()) {
    first_token = absl::Now();
  }
  const auto text = absl::string_view(result.text).substr(request.sent_bytes);
  std::vector<ChoiceLogprobs> logprobs(
      result.logprobs.begin() + static_cast<ptrdiff_t>(request.sent_logprobs),
      result.logprobs.end());
  if (text.empty() && logprobs.empty()) return;
  request.sent_bytes = result.text.size();
  request.sent_logprobs = result.logprobs.size();
  request.stream->Add(text, std::move(logprobs));
}

void RequestQueue::EndRequest(Request& request) {
  coordinator_.Release(*request.generation);
  absl::StatusOr<GenerateResult> result = request.generation->TakeResult();
  {
    base::MutexLock lock(mutex_);
    RequestRecord& record = request.record;
    record.outcome =
        result.ok() ? std::string(ToString(result->finish_reason)) : "failed";
    if (result.ok()) {
      record.generated_tokens = static_cast<uint32_t>(result->token_ids.size());
    }
    Keep(record);
    if (!result.ok()) {
      ++counters_.failed_count;
    } else {
      const bool cancelled = result->finish_reason == FinishReason::kCancelled;
      ++(cancelled ? counters_.cancelled_count : counters_.finished_count);
      counters_.prompt_tokens += result->prompt_tokens;
      counters_.reused_tokens += result->reused_tokens;
      counters_.generated_tokens += result->token_ids.size();
      if (!result->token_ids.empty()) {
        ++counters_.first_token_count;
        counters_.first_token_time += result->time_to_first_token;
      }
    }
  }
  request.stream->End(std::move(result));
}

void RequestQueue::FailActive(const absl::Status& why) {
  for (Request& request : active_) {
    coordinator_.Release(*request.generation);
    request.record.outcome = "failed";
    Keep(request.record);
    request.stream->End(why);
  }
  counters_.failed_count += active_.size();
  active_.clear();
  counters_.active_count = 0;
}

void RequestQueue::OnFault(const absl::Status& why) {
  base::MutexLock lock(mutex_);
  const absl::Status refusal = absl::UnavailableError(why.message());
  FailActive(refusal);
  for (Request& request : waiting_) request.stream->End(refusal);
  counters_.failed_count += waiting_.size();
  waiting_.clear();
  counters_.waiting_count = 0;
  if (state_ != ServiceState::kStopping) {
    state_ = ServiceState::kFailed;
    reason_ = why;
  }
  changed_.NotifyAll();
}

}  // namespace shoal::coordinator
