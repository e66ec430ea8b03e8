#include "cli/command.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace shoal::cli {

std::string FlagSpec::Name() const {
  std::string longest;
  for (const absl::string_view name : absl::StrSplit(names, ',')) {
    if (name.size() > longest.size()) longest = std::string(name);
  }
  return longest;
}

Command& Command::AddVerb(std::string name, std::string summary) {
  verbs_.push_back(
      std::make_unique<Command>(std::move(name), std::move(summary)));
  return *verbs_.back();
}

void Command::AddFlag(FlagSpec spec, Setter set) {
  flags_.push_back({std::move(spec), std::move(set), nullptr});
}

void Command::AddSwitch(FlagSpec spec, bool* to) {
  flags_.push_back({std::move(spec), nullptr, to});
}

absl::Status Command::Set(absl::string_view name,
                          const std::string& value) const {
  for (const Flag& flag : flags_) {
    if (flag.set && flag.spec.Name() == name) return flag.set(value);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no ", name));
}

std::vector<FlagSpec> Command::flags() const {
  std::vector<FlagSpec> specs;
  for (const Flag& flag : flags_) {
    if (!flag.spec.hidden) specs.push_back(flag.spec);
  }
  return specs;
}

const Command* Command::FindVerb(absl::string_view name) const {
  for (const auto& verb : verbs_) {
    if (verb->name() == name) return verb.get();
  }
  return nullptr;
}

namespace {

// The number of edits that turn `a` into `b`; two neighbours that changed
// places count as one.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1,
                                     std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                          d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string DidYouMean(absl::string_view given,
                       const std::vector<std::string>& known) {
  constexpr size_t kGivenBytesMax = 64;
  if (given.size() > kGivenBytesMax) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(1, given.size() / 3) + 1;
  for (const std::string& word : known) {
    const size_t distance = EditDistance(given, word);
    if (distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : ", did you mean " + best + "?";
}

}  // namespace shoal::cli
