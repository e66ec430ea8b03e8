#include "base/log_ring.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace shoal::base {

LogRing::LogRing()
    : instance_(static_cast<uint64_t>(absl::GetCurrentTimeNanos())) {}

LogRing& LogRing::OfProcess() {
  static LogRing* const ring = new LogRing;
  return *ring;
}

void LogRing::SetFilter(Filter filter) {
  MutexLock lock(mutex_);
  filter_ = std::move(filter);
}

void LogRing::Add(LogLevel level, absl::string_view text) {
  if (level < LogLevel::kInfo) return;
  MutexLock lock(mutex_);
  LogRecord record;
  record.number = next_++;
  record.time_ns = absl::GetCurrentTimeNanos();
  record.level = level;
  // Before it is cut: half a secret would not be known as one.
  record.text = filter_ ? filter_(text) : std::string(text);
  record.text.resize(std::min(record.text.size(), kLineBytesMax));
  std::replace(record.text.begin(), record.text.end(), '\n', ' ');
  bytes_ += record.text.size();
  records_.push_back(std::move(record));
  while (records_.size() > kCountMax || bytes_ > kBytesMax) {
    bytes_ -= records_.front().text.size();
    records_.pop_front();
  }
}

LogRing::Part LogRing::Read(uint64_t first, LogLevel least,
                            size_t count_max) const {
  Part part;
  MutexLock lock(mutex_);
  part.next = next_;
  for (const LogRecord& record : records_) {
    if (record.number < first || record.level < least) continue;
    if (part.records.size() == count_max) {
      part.next = record.number;
      break;
    }
    part.records.push_back(record);
  }
  return part;
}

}  // namespace shoal::base
