// A program in a terminal that we did not write: a pane of tmux.

#ifndef SHOAL_TESTS_TESTING_TMUX_PANE_H_
#define SHOAL_TESTS_TESTING_TMUX_PANE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::testing {

// Has a tmux server of its own. Threads: thread-compatible.
class TmuxPane {
 public:
  // kNotFound: there is no tmux here, and what installs it.
  static absl::Status IsHere();

  // Starts `words`, the first of them a path. REQUIRES: IsHere().
  TmuxPane(int width, int height, const std::vector<std::string>& words);
  ~TmuxPane();  // ends the server, and so the program
  TmuxPane(const TmuxPane&) = delete;
  TmuxPane& operator=(const TmuxPane&) = delete;

  // What is shown, a line each, without blanks at their ends.
  std::string Text() const;
  // False: `deadline` passed.
  bool WaitFor(absl::string_view text, absl::Time deadline) const;
  void Type(absl::string_view keys) const;
  // A key by tmux's name for it, such as "Up".
  void Press(absl::string_view key) const;

  // The exit code of the program; -1: it has not ended by `deadline`.
  int Wait(absl::Time deadline) const;

 private:
  // What tmux says to `command`, a line of the shell.
  std::string Ask(absl::string_view command) const;

  TemporaryFolder folder_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_TMUX_PANE_H_
