// The traces of all devices, on one clock.

#ifndef SHOAL_COORDINATOR_RANK_TRACE_H_
#define SHOAL_COORDINATOR_RANK_TRACE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/trace.h"
#include "coordinator/remote_worker.h"

namespace shoal::coordinator {

struct RankTrace {
  std::string name;
  uint32_t rank = 0;
  // By the coordinator's clock.
  std::vector<base::TraceEvent> events;
  uint64_t dropped = 0;  // events that the device had no room for
  // The clocks are together to within this much.
  absl::Duration clock_error;
};

// What a device answers: as RemoteWorker::AskTrace().
using AskTrace = std::function<std::optional<RemoteWorker::TraceAnswer>(
    uint64_t first_event, uint32_t event_count_max)>;

// All events of a device. Its clock is compared over a few round trips, of
// which the shortest counts: the answer was made somewhere between its two
// ends, half of it is the error (Cristian, "Probabilistic clock
// synchronization", 1989). `now_ns` is the coordinator's clock. Nothing if the
// device does not answer. Sets neither name nor rank.
std::optional<RankTrace> CollectTrace(const AskTrace& ask,
                                      const std::function<int64_t()>& now_ns);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_RANK_TRACE_H_
