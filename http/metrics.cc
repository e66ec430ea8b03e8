#include "http/metrics.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace shoal::http {
namespace {

class Text {
 public:
  void Describe(absl::string_view name, absl::string_view type,
                absl::string_view help) {
    absl::StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ",
                    type, "\n");
  }
  void Value(absl::string_view name, double value) {
    absl::StrAppend(&text_, name, " ", value, "\n");
  }
  void Value(absl::string_view name, uint64_t value) {
    absl::StrAppend(&text_, name, " ", value, "\n");
  }
  void Add(absl::string_view name, absl::string_view type, uint64_t value,
           absl::string_view help) {
    Describe(name, type, help);
    Value(name, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string MetricsText(const coordinator::ServiceCounters& counters,
                        coordinator::ServiceState state) {
  Text text;
  text.Add("shoal_ready", "gauge",
           state == coordinator::ServiceState::kReady ? 1u : 0u,
           "1 if requests are served.");
  text.Describe("shoal_requests_total", "counter", "Requests by their end.");
  const auto ended = [&](absl::string_view how, uint64_t count) {
    text.Value(absl::StrCat("shoal_requests_total{end=\"", how, "\"}"), count);
  };
  ended("finished", counters.finished_count);
  ended("cancelled", counters.cancelled_count);
  ended("failed", counters.failed_count);
  ended("refused", counters.refused_count);
  text.Add("shoal_requests_active", "gauge", counters.active_count,
           "Requests that text is generated for.");
  text.Add("shoal_requests_waiting", "gauge", counters.waiting_count,
           "Requests in the queue.");
  text.Add("shoal_prompt_tokens_total", "counter", counters.prompt_tokens,
           "Tokens of prompts, of requests that ended.");
  text.Add("shoal_prompt_tokens_reused_total", "counter",
           counters.reused_tokens,
           "Those of them that were still in the KV cache.");
  text.Add("shoal_generated_tokens_total", "counter", counters.generated_tokens,
           "Tokens generated, of requests that ended.");
  text.Describe("shoal_pass_seconds", "summary",
                "Passes through the model and the time they took.");
  text.Value("shoal_pass_seconds_sum",
             absl::ToDoubleSeconds(counters.pass_time));
  text.Value("shoal_pass_seconds_count", counters.pass_count);
  text.Describe("shoal_time_to_first_token_seconds", "summary",
                "From a request's arrival to its first token.");
  text.Value("shoal_time_to_first_token_seconds_sum",
             absl::ToDoubleSeconds(counters.first_token_time));
  text.Value("shoal_time_to_first_token_seconds_count",
             counters.first_token_count);
  return text.Take();
}

}  // namespace shoal::http
