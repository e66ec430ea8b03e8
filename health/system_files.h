// Small files of /proc and /sys, below a root that tests replace.

#ifndef SHOAL_HEALTH_SYSTEM_FILES_H_
#define SHOAL_HEALTH_SYSTEM_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::health {

// Threads: thread-safe. What is missing or malformed is nothing, not an error:
// systems differ in what they tell.
class SystemFiles {
 public:
  // `root` is "/" of this system, or a folder with a copy of some of it.
  explicit SystemFiles(absl::string_view root = "/");

  // "/proc/uptime" below the root. Of text at most 1 MiB, without spaces and
  // line ends at its end.
  std::optional<std::string> Text(absl::string_view path) const;
  std::optional<int64_t> Number(absl::string_view path) const;
  bool Exists(absl::string_view path) const;
  // Names in a folder, sorted.
  std::vector<std::string> List(absl::string_view folder) const;

 private:
  std::string PathOf(absl::string_view path) const;

  const std::string root_;  // without a slash at its end
};

}  // namespace shoal::health

#endif  // SHOAL_HEALTH_SYSTEM_FILES_H_
