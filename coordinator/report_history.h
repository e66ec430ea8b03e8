// What a device did in the last seconds, from its reports.

#ifndef SHOAL_COORDINATOR_REPORT_HISTORY_H_
#define SHOAL_COORDINATOR_REPORT_HISTORY_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// Means over decode passes, of one token each. Milliseconds and bytes.
struct TokenMeans {
  uint64_t tokens = 0;  // at least one
  double compute_ms = 0;
  double stall_ms = 0;
  double exchange_ms = 0;
  double wait_ms = 0;
  double read_bytes = 0;
  double sent_bytes = 0;
  double received_bytes = 0;
  std::vector<double> waited_for_ms;  // by rank

  double work_ms() const { return compute_ms + stall_ms; }
  double total_ms() const { return work_ms() + exchange_ms + wait_ms; }
};

// Bytes per second while passes run.
struct DeviceRates {
  double read = 0;
  double sent = 0;
  double received = 0;
};

// Reports are sums; this keeps those in which a pass was new, and takes
// differences. Threads: thread-compatible.
class ReportHistory {
 public:
  // "Now" is over the passes of so long, or over the last one if that is older.
  static constexpr absl::Duration kWindow = absl::Seconds(2);
  // After so long without a pass there is no now.
  static constexpr absl::Duration kNowMax = absl::Seconds(30);

  // Forgets what was before where the plan is another.
  void Add(absl::Time time, const parallel::RankReport& report);

  // Nothing: no decode pass in kNowMax before `now`.
  std::optional<TokenMeans> TokenNow(absl::Time now) const;
  // Since the plan was loaded; nothing: there was none.
  std::optional<TokenMeans> TokenTotal() const;
  // Zeros where no pass ended lately.
  DeviceRates Rates(absl::Time now) const;

 private:
  static constexpr size_t kMarkCountMax = 160;
  struct Mark {
    absl::Time time;  // when the counters were first seen like this
    parallel::RankReport report;
  };

  const Mark* LastDecode() const;

  std::deque<Mark> marks_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_REPORT_HISTORY_H_
