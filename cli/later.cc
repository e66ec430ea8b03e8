#include "cli/later.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace shoal::cli {
namespace {

struct Later {
  absl::string_view path;
  absl::string_view word;
  absl::string_view what;
};

constexpr std::array kLater = {
    Later{"model", "verify", "comparing model files; use model inspect"},
    Later{"plan", "--simulate", "planning for a described fleet"},
};

}  // namespace

std::string LaterFeature(absl::string_view path, absl::string_view word) {
  for (const Later& later : kLater) {
    if (later.word == word && later.path == path) {
      return absl::StrCat(word, " is not there yet: ", later.what);
    }
  }
  return "";
}

}  // namespace shoal::cli
