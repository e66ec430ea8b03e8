// Ends a stream of text at the first of some stop strings.

#ifndef SHOAL_MODEL_STOP_MATCHER_H_
#define SHOAL_MODEL_STOP_MATCHER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::model {

// The stop string whose last byte comes first ends the text; it is never part
// of it. Text that could still become a stop string is held back. What comes
// out in all does not depend on how the text was cut into calls.
//
// Cost:    O(stop strings) per byte, amortised.
// Limits:  kStopCountMax strings of kStopBytesMax bytes.
// Threads: thread-compatible.
class StopMatcher {
 public:
  static constexpr size_t kStopCountMax = 16;
  static constexpr size_t kStopBytesMax = 1024;

  // Errors: kInvalidArgument  too many strings; one that is empty, too long or
  //                           not UTF-8
  static absl::StatusOr<StopMatcher> Create(
      const std::vector<std::string>& stops);

  // Appends the part of the stream that is known to be text to `out`; nothing
  // once stopped.
  void Feed(absl::string_view text, std::string& out);

  // The stream has ended: appends what was held back, unless stopped.
  void Flush(std::string& out);

  bool stopped() const { return stopped_; }

 private:
  // Follows one stop string, in the manner of Knuth, Morris and Pratt.
  struct Follower {
    std::string stop;
    // fallback[n]: the longest proper suffix of the first n bytes of `stop`
    // that is also its beginning.
    std::vector<uint32_t> fallback;
    uint32_t matched_bytes = 0;  // of `stop`, at the end of the stream
  };

  StopMatcher() = default;

  std::vector<Follower> followers_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_STOP_MATCHER_H_
