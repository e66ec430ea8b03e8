#include "coordinator/event_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"

namespace shoal::coordinator {
namespace {

// A repetition is looked for among so many.
constexpr size_t kRepeatCount = 8;

std::string Line(absl::string_view text) {
  std::string line(text.substr(0, EventLog::kTextBytesMax));
  for (char& c : line) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return line;
}

}  // namespace

EventLog::EventLog(base::Clock* clock)
    : clock_(clock == nullptr ? base::Clock::Real() : *clock) {}

void EventLog::Add(Severity severity, absl::string_view device,
                   absl::string_view text, absl::string_view command) {
  FleetEvent event;
  event.time = clock_.Now();
  event.severity = severity;
  event.device = Line(device);
  event.text = Line(text);
  event.command = Line(command);
  base::MutexLock lock(mutex_);
  const auto begin = events_.end() - static_cast<ptrdiff_t>(std::min(
                                         events_.size(), kRepeatCount));
  const bool is_known = std::any_of(begin, events_.end(), [&](const auto& e) {
    return e.device == event.device && e.text == event.text &&
           event.time - e.time < kRepeatTime;
  });
  if (is_known) return;
  event.number = ++last_number_;
  if (events_.size() == kCountMax) events_.pop_front();
  events_.push_back(std::move(event));
}

std::vector<FleetEvent> EventLog::Since(uint64_t number) const {
  base::MutexLock lock(mutex_);
  const auto begin = std::find_if(
      events_.begin(), events_.end(),
      [number](const FleetEvent& event) { return event.number > number; });
  return {begin, events_.end()};
}

}  // namespace shoal::coordinator
