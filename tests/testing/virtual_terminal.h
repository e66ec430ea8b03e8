// A terminal without a screen: runs a program in it and tells what it shows.

#ifndef SHOAL_TESTS_TESTING_VIRTUAL_TERMINAL_H_
#define SHOAL_TESTS_TESTING_VIRTUAL_TERMINAL_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace shoal::testing {

// Understands what a vt100 does, as far as ncurses uses it; attributes are left
// out. Threads: thread-compatible.
class VirtualTerminal {
 public:
  // Starts `words` with $TERM set to vt100 and `environment` added to ours.
  VirtualTerminal(int width, int height, const std::vector<std::string>& words,
                  const std::map<std::string, std::string>& environment);
  ~VirtualTerminal();  // kills the program if it still runs
  VirtualTerminal(const VirtualTerminal&) = delete;
  VirtualTerminal& operator=(const VirtualTerminal&) = delete;

  // What is shown, a line each, without blanks at their ends.
  std::vector<std::string> Lines() const;
  std::string Text() const;

  // Takes what the program writes until `text` is shown. False: it ended, or
  // `deadline` passed.
  bool WaitFor(const std::string& text, absl::Time deadline);
  void Type(const std::string& keys);

  // Takes what it writes until it ends; its exit code, or 128 + signal. -1: it
  // has not ended by `deadline`.
  int Wait(absl::Time deadline);

  // Whether it wrote an escape sequence that sets a colour.
  bool saw_colour() const { return saw_colour_; }

 private:
  // False: the program has ended.
  bool ReadSome(absl::Time deadline);
  void Take(const std::string& character);
  void TakeControl(char c);
  void TakeSequence(char final);
  void EraseTo(int row, int begin, int end);
  void LineFeed();
  void ReverseLineFeed();
  int Argument(size_t index, int otherwise) const;

  const int width_;
  const int height_;
  pid_t pid_ = -1;
  int file_ = -1;
  bool ended_ = false;

  std::vector<std::vector<std::string>> cells_;
  int row_ = 0;
  int column_ = 0;
  int scroll_begin_ = 0;
  int scroll_end_ = 0;
  bool saw_colour_ = false;
  enum class Mode { kText, kEscape, kSequence, kCharset };
  Mode mode_ = Mode::kText;
  std::string arguments_;
  std::string character_;  // of several bytes, not whole yet
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_VIRTUAL_TERMINAL_H_
