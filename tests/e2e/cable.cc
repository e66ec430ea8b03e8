#include "tests/e2e/cable.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/subprocess.h"

namespace shoal::testing {
namespace {

absl::Status Ip(const std::vector<std::string>& words) {
  std::vector<std::string> command = {"ip"};
  command.insert(command.end(), words.begin(), words.end());
  const auto done = cli::RunSubprocess(
      {.command = command, .silence_max = absl::Seconds(20)});
  if (!done.ok()) return done.status();
  return done->exit_code == 0 ? absl::OkStatus()
                              : absl::InternalError(done->err);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cable>> Cable::Plug() {
  std::unique_ptr<Cable> cable(new Cable);
  const absl::Status plugged = cable->SetUp();
  if (plugged.ok()) return cable;
  return absl::FailedPreconditionError(absl::StrCat(
      "network namespaces cannot be made here: ", plugged.message()));
}

Cable::~Cable() {
  for (int device : {1, 2}) {
    Ip({"netns", "del", NameOf(device)}).IgnoreError();
  }
}

std::string Cable::AddressOf(int device) const {
  return absl::StrCat("10.0.0.", device);
}

std::vector<std::string> Cable::Launcher(int device) const {
  return {"/usr/bin/env", "ip", "netns", "exec", NameOf(device)};
}

absl::Status Cable::LoseWhatIsSentBy(int device) const {
  return Ip({"-n", NameOf(device), "neigh", "replace", AddressOf(3 - device),
             "lladdr", "02:00:00:00:00:99", "dev", "cable", "nud",
             "permanent"});
}

absl::Status Cable::DropAt(int device, uint32_t first, uint32_t last,
                           uint32_t open) const {
  // Before the table of own addresses, which is the first rule.
  std::vector<std::vector<std::string>> rules = {
      {"add", "pref", "10", "lookup", "local"},
      {"del", "pref", "0"},
      {"add", "pref", "2", "iif", "cable", "ipproto", "tcp", "dport",
       absl::StrCat(first, "-", last), "blackhole"}};
  if (open > 0) {
    rules.push_back({"add", "pref", "1", "iif", "cable", "ipproto", "tcp",
                     "dport", absl::StrCat(open), "lookup", "local"});
  }
  for (const std::vector<std::string>& rule : rules) {
    std::vector<std::string> words = {"-n", NameOf(device), "rule"};
    words.insert(words.end(), rule.begin(), rule.end());
    const absl::Status done = Ip(words);
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

std::string Cable::NameOf(int device) const {
  return absl::StrCat("shoal-cable-", getpid(), "-", device);
}

absl::Status Cable::SetUp() const {
  std::vector<std::vector<std::string>> lines = {
      {"netns", "add", NameOf(1)},
      {"netns", "add", NameOf(2)},
      {"-n", NameOf(1), "link", "add", "cable", "type", "veth", "peer", "cable",
       "netns", NameOf(2)}};
  for (const int device : {1, 2}) {
    const std::vector<std::string> in = {"-n", NameOf(device)};
    for (const std::vector<std::string>& what :
         std::vector<std::vector<std::string>>{
             {"addr", "add", AddressOf(device) + "/24", "dev", "cable"},
             {"link", "set", "cable", "up"},
             {"link", "set", "lo", "up"}}) {
      lines.push_back(in);
      lines.back().insert(lines.back().end(), what.begin(), what.end());
    }
  }
  for (const std::vector<std::string>& line : lines) {
    const absl::Status done = Ip(line);
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

}  // namespace shoal::testing
