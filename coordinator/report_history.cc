#include "coordinator/report_history.h"

#include <algorithm>

namespace shoal::coordinator {
namespace {

using parallel::RankReport;

constexpr absl::Duration kRestMin = absl::Seconds(3);

double PerPass(absl::Duration from, absl::Duration to, uint64_t passes) {
  return absl::ToDoubleMilliseconds(to - from) / static_cast<double>(passes);
}

double PerPass(uint64_t from, uint64_t to, uint64_t passes) {
  return static_cast<double>(to - from) / static_cast<double>(passes);
}

// REQUIRES: `to` has more decode passes than `from`.
TokenMeans MeansBetween(const RankReport& from, const RankReport& to) {
  TokenMeans means;
  const uint64_t count = to.decode_passes - from.decode_passes;
  means.tokens = count;
  means.compute_ms = PerPass(from.compute, to.compute, count);
  means.stall_ms = PerPass(from.stall, to.stall, count);
  means.exchange_ms = PerPass(from.exchange, to.exchange, count);
  means.wait_ms = PerPass(from.wait, to.wait, count);
  means.read_bytes =
      PerPass(from.decode_read_bytes, to.decode_read_bytes, count);
  means.sent_bytes = PerPass(from.sent_bytes, to.sent_bytes, count);
  means.received_bytes = PerPass(from.received_bytes, to.received_bytes, count);
  for (size_t r = 0; r < to.waited_for.size(); ++r) {
    const absl::Duration before =
        r < from.waited_for.size() ? from.waited_for[r] : absl::ZeroDuration();
    means.waited_for_ms.push_back(PerPass(before, to.waited_for[r], count));
  }
  return means;
}

absl::Duration TimeOf(const parallel::PassSums& sums) {
  return sums.compute + sums.stall + sums.wait + sums.exchange;
}

}  // namespace

void ReportHistory::Add(absl::Time time, const RankReport& report) {
  if (!marks_.empty()) {
    const RankReport& last = marks_.back().report;
    // A device that was started again counts from the beginning, too.
    if (report.epoch != last.epoch || report.all.passes < last.all.passes ||
        report.decode_passes < last.decode_passes) {
      marks_.clear();
    } else if (report.all.passes == last.all.passes) {
      return;
    }
  }
  if (marks_.size() == kMarkCountMax) marks_.pop_front();
  marks_.push_back({time, report});
}

// The first of the marks that have all decode passes.
const ReportHistory::Mark* ReportHistory::LastDecode() const {
  const Mark* last = nullptr;
  for (auto mark = marks_.rbegin(); mark != marks_.rend(); ++mark) {
    if (last != nullptr &&
        mark->report.decode_passes != last->report.decode_passes) {
      break;
    }
    last = &*mark;
  }
  return last;
}

std::optional<TokenMeans> ReportHistory::TokenNow(absl::Time now) const {
  const Mark* const last = LastDecode();
  if (last == nullptr || last->report.decode_passes == 0 ||
      now - last->time > kNowMax) {
    return std::nullopt;
  }
  const Mark* base = nullptr;
  for (const Mark& mark : marks_) {
    if (mark.report.decode_passes >= last->report.decode_passes) break;
    if (base != nullptr && last->time - mark.time < kWindow) break;
    base = &mark;
  }
  if (base == nullptr) return TokenTotal();
  return MeansBetween(base->report, last->report);
}

std::optional<TokenMeans> ReportHistory::TokenTotal() const {
  if (marks_.empty() || marks_.back().report.decode_passes == 0) {
    return std::nullopt;
  }
  return MeansBetween(RankReport(), marks_.back().report);
}

DeviceRates ReportHistory::Rates(absl::Time now) const {
  if (marks_.size() < 2) return {};
  const Mark& last = marks_.back();
  const Mark* base = &marks_.front();
  for (const Mark& mark : marks_) {
    if (last.time - mark.time < kWindow) break;
    base = &mark;
  }
  if (base == &last) base = &marks_[marks_.size() - 2];
  const absl::Duration busy =
      TimeOf(last.report.all) - TimeOf(base->report.all);
  const uint64_t passes = last.report.all.passes - base->report.all.passes;
  const absl::Duration rest =
      std::max(kRestMin, 2 * busy / static_cast<int64_t>(passes));
  const double seconds = absl::ToDoubleSeconds(busy);
  if (seconds <= 0 || now - last.time > rest) return {};
  const auto rate = [seconds](uint64_t from, uint64_t to) {
    return to < from ? 0 : static_cast<double>(to - from) / seconds;
  };
  const RankReport& a = base->report;
  const RankReport& b = last.report;
  return {rate(a.read_bytes, b.read_bytes),
          rate(a.all.sent_bytes, b.all.sent_bytes),
          rate(a.all.received_bytes, b.all.received_bytes)};
}

}  // namespace shoal::coordinator
