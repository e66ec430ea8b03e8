#include "tests/testing/tmux_pane.h"

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "tests/testing/shell.h"

namespace shoal::testing {

absl::Status TmuxPane::IsHere() {
  if (RunShell("tmux -V").status == 0) return absl::OkStatus();
  return absl::NotFoundError(
      "there is no tmux here; scripts/install-deps.sh installs it");
}

TmuxPane::TmuxPane(int width, int height,
                   const std::vector<std::string>& words) {
  std::ofstream(folder_.File("conf")) << "set -g status off\n";
  // Its exit code is written down, and what it shows stays.
  const std::string script = absl::StrCat(
      "\"$@\"; echo $? >", folder_.File("code.new"), "; mv ",
      folder_.File("code.new"), " ", folder_.File("code"), "; exec cat");
  const std::string said = Ask(absl::StrCat(
      "-f ", Quoted(folder_.File("conf")), " new-session -d -x ", width, " -y ",
      height, " sh -c ", Quoted(script), " sh ",
      absl::StrJoin(words, " ", [](std::string* out, absl::string_view word) {
        absl::StrAppend(out, Quoted(word));
      })));
  SHOAL_CHECK(said.empty(), said);
}

TmuxPane::~TmuxPane() { Ask("kill-server"); }

std::string TmuxPane::Ask(absl::string_view command) const {
  return RunShell(absl::StrCat("LC_ALL=C.UTF-8 tmux -S ",
                               Quoted(folder_.File("socket")), " ", command))
      .output;
}

std::string TmuxPane::Text() const { return Ask("capture-pane -p"); }

bool TmuxPane::WaitFor(absl::string_view text, absl::Time deadline) const {
  do {
    if (absl::StrContains(Text(), text)) return true;
  } while (absl::Now() < deadline);
  return false;
}

void TmuxPane::Type(absl::string_view keys) const {
  Ask(absl::StrCat("send-keys -l ", Quoted(keys)));
}

void TmuxPane::Press(absl::string_view key) const {
  Ask(absl::StrCat("send-keys ", Quoted(key)));
}

int TmuxPane::Wait(absl::Time deadline) const {
  do {
    int code = 0;
    if (std::ifstream(folder_.File("code")) >> code) return code;
    Text();  // takes a moment
  } while (absl::Now() < deadline);
  return -1;
}

}  // namespace shoal::testing
