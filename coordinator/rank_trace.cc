#include "coordinator/rank_trace.h"

#include <limits>

namespace shoal::coordinator {
namespace {

constexpr int kClockRoundTrips = 8;
constexpr uint32_t kEventsPerRequest = 8192;

}  // namespace

std::optional<RankTrace> CollectTrace(const AskTrace& ask,
                                      const std::function<int64_t()>& now_ns) {
  int64_t shortest = std::numeric_limits<int64_t>::max();
  int64_t ahead = 0;  // of the coordinator's clock
  for (int i = 0; i < kClockRoundTrips; ++i) {
    const int64_t begin = now_ns();
    const auto answer = ask(0, 0);
    const int64_t round_trip = now_ns() - begin;
    if (!answer) return std::nullopt;
    if (round_trip >= shortest) continue;
    shortest = round_trip;
    ahead = answer->clock_ns - (begin + round_trip / 2);
  }
  RankTrace trace;
  trace.clock_error = absl::Nanoseconds(shortest / 2);
  // A device keeps no more than that, whatever it answers.
  while (trace.events.size() < parallel::kTraceEventCountMax) {
    const auto answer = ask(trace.events.size(), kEventsPerRequest);
    if (!answer) return std::nullopt;
    trace.dropped = answer->part.dropped;
    if (answer->part.events.empty()) break;
    for (base::TraceEvent event : answer->part.events) {
      event.begin_ns -= ahead;
      trace.events.push_back(event);
    }
  }
  return trace;
}

}  // namespace shoal::coordinator
