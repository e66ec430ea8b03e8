// What happens before text comes, on standard error.

#ifndef SHOAL_CLI_PROGRESS_H_
#define SHOAL_CLI_PROGRESS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/pace.h"
#include "coordinator/coordinator.h"

namespace shoal::cli {

// On a terminal one line that changes, else a line now and then.
// Threads: thread-compatible.
class Progress {
 public:
  Progress();

  void Say(absl::string_view line);
  // Something that changes often: the line that changes, on a terminal alone.
  void Draw(absl::string_view line);
  // Of something that is counted in bytes, from its beginning on: a bar on a
  // terminal, else a line every two seconds.
  void Bytes(absl::string_view what, uint64_t done, uint64_t total);
  void Joined(const coordinator::JoinProgress& progress);
  void Loading(const coordinator::DeviceProgress& progress);
  // Ends the line that changes.
  void Done();

 private:
  struct Device {
    absl::Time said = absl::InfinitePast();
    std::string what;
    uint64_t done = 0;
    uint64_t total = 0;
    Pace pace;
  };

  void DrawBar(absl::string_view what, uint64_t done, uint64_t total,
               Pace& pace, absl::Time now);

  const bool terminal_;
  bool open_line_ = false;
  absl::Time drawn_ = absl::InfinitePast();
  absl::Time said_ = absl::InfinitePast();  // by Bytes()
  Pace pace_;                               // of all together
  std::map<std::string, Device> devices_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_PROGRESS_H_
