#include "coordinator/generation_meter.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "base/check.h"

namespace shoal::coordinator {
namespace {

// What it had before.
void Continue(const GenerateResult& result, MeteredRequest& request) {
  if (result.token_ids.empty()) return;
  request.generated_tokens = result.token_ids.size();
  request.first_token_ns = absl::ToInt64Nanoseconds(result.time_to_first_token);
  request.later_tokens = result.token_times.size();
  for (const absl::Duration time : result.token_times) {
    request.later_ns += absl::ToInt64Nanoseconds(time);
  }
  request.began_ns -= request.first_token_ns + request.later_ns;
}

}  // namespace

void GenerationMeter::Began(uint32_t session,
                            const ActiveGeneration& generation) {
  SHOAL_CHECK(session < sessions_.size());
  MeteredTotals totals = totals_.Load();
  MeteredRequest request;
  request.number = ++totals.began_count;
  request.prompt_tokens = generation.prompt_count();
  request.reused_tokens = generation.ran_count();
  request.computed_tokens = generation.ran_count();
  request.began_ns = absl::ToUnixNanos(generation.last_token());
  if (generation.is_moved()) {
    // It went on with another plan, and is one request all the same.
    --totals.ended_count;
    Continue(generation.result(), request);
  }
  sessions_[session].Store(request);
  totals_.Store(totals);
}

void GenerationMeter::Stepped(uint32_t session,
                              const ActiveGeneration& generation) {
  SHOAL_CHECK(session < sessions_.size());
  MeteredRequest request = sessions_[session].Load();
  MeteredTotals totals = totals_.Load();
  const GenerateResult& result = generation.result();
  const uint64_t prompt_before =
      std::min(request.computed_tokens, request.prompt_tokens);
  request.computed_tokens = generation.ran_count();
  totals.prompt_tokens +=
      std::min(request.computed_tokens, request.prompt_tokens) - prompt_before;
  totals.generated_tokens += result.token_ids.size() - request.generated_tokens;
  request.generated_tokens = result.token_ids.size();
  const int64_t chosen_ns = absl::ToUnixNanos(generation.last_token());
  if (request.first_token_ns < 0 && chosen_ns != request.began_ns) {
    request.first_token_ns =
        absl::ToInt64Nanoseconds(result.time_to_first_token);
    totals.first_token_ns = request.first_token_ns;
    totals.last_token_ns = chosen_ns;
  }
  if (result.token_times.size() > request.later_tokens) {
    const int64_t time_ns = absl::ToInt64Nanoseconds(result.token_times.back());
    request.later_tokens = result.token_times.size();
    request.later_ns += time_ns;
    ++totals.later_tokens;
    // Requests that run at the same time share it.
    totals.later_ns += std::max<int64_t>(
        0, chosen_ns - std::max(chosen_ns - time_ns, covered_until_ns_));
    totals.last_token_ns = chosen_ns;
    covered_until_ns_ = std::max(covered_until_ns_, chosen_ns);
  }
  sessions_[session].Store(request);
  totals_.Store(totals);
}

void GenerationMeter::Ended(uint32_t session) {
  SHOAL_CHECK(session < sessions_.size());
  MeteredRequest request = sessions_[session].Load();
  if (request.number == 0) return;
  request.ended_ns = absl::GetCurrentTimeNanos();
  last_.Store(request);
  sessions_[session].Store({});
  MeteredTotals totals = totals_.Load();
  ++totals.ended_count;
  totals_.Store(totals);
}

std::vector<MeteredRequest> GenerationMeter::running() const {
  std::vector<MeteredRequest> requests;
  for (const auto& session : sessions_) {
    const MeteredRequest request = session.Load();
    if (request.number > 0) requests.push_back(request);
  }
  std::sort(requests.begin(), requests.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return requests;
}

std::optional<MeteredRequest> GenerationMeter::last() const {
  const MeteredRequest request = last_.Load();
  if (request.number == 0) return std::nullopt;
  return request;
}

}  // namespace shoal::coordinator
