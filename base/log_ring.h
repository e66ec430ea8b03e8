// The last lines that this process has logged, for who asks later.

#ifndef SHOAL_BASE_LOG_RING_H_
#define SHOAL_BASE_LOG_RING_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/mutex.h"

namespace shoal::base {

struct LogRecord {
  uint64_t number = 0;  // counts up, from 0
  int64_t time_ns = 0;  // since 1970, by this machine's clock
  LogLevel level = LogLevel::kInfo;
  std::string text;  // one line
};

// Keeps lines of level kInfo and above, whatever level is printed. Secrets,
// prompts and generated text have no place in a log, and so none here; a filter
// takes out secrets that come in by mistake, in somebody else's message.
//
// Limits:  kCountMax lines and kBytesMax of text, the newest; a line is cut
//          after kLineBytesMax.
// Threads: thread-safe.
class LogRing {
 public:
  static constexpr size_t kCountMax = 1000;
  static constexpr size_t kBytesMax = size_t{128} << 10;
  static constexpr size_t kLineBytesMax = 500;

  LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // That of SHOAL_LOG; like the logger itself it is never destroyed.
  static LogRing& OfProcess();

  using Filter = std::function<std::string(absl::string_view)>;
  // Every line goes through it from now on. Null: none.
  void SetFilter(Filter filter);

  void Add(LogLevel level, absl::string_view text);

  struct Part {
    std::vector<LogRecord> records;
    uint64_t next = 0;  // where to go on
  };
  // From number `first` on, or from the first that is kept; of level `least`
  // and above, at most `count_max`.
  Part Read(uint64_t first, LogLevel least, size_t count_max) const;

  // Another number in another process: then numbers of lines begin anew.
  uint64_t instance() const { return instance_; }

 private:
  const uint64_t instance_;
  mutable Mutex mutex_;
  Filter filter_ ABSL_GUARDED_BY(mutex_);
  std::deque<LogRecord> records_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shoal::base

#endif  // SHOAL_BASE_LOG_RING_H_
