#include "worker/stragglers.h"

#include <algorithm>

namespace shoal::worker {
namespace {

// A frame that is there already takes a little time to be read, too: no part
// of a wait below this one makes a rank the last.
constexpr int kNotablePart = 16;

}  // namespace

void Stragglers::BeginPass() {
  std::fill(waited_for_.begin(), waited_for_.end(), absl::ZeroDuration());
}

void Stragglers::EndExchange() {
  absl::Duration all;
  for (const Wait& wait : waits_) all += wait.time;
  const auto last = std::find_if(
      waits_.rbegin(), waits_.rend(),
      [&](const Wait& wait) { return wait.time * kNotablePart >= all; });
  if (last != waits_.rend()) waited_for_[last->rank] += all;
}

}  // namespace shoal::worker
