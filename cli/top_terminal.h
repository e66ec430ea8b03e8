// The terminal of `shoal top`; a thin layer over ncurses, which no other file
// includes.

#ifndef SHOAL_CLI_TOP_TERMINAL_H_
#define SHOAL_CLI_TOP_TERMINAL_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/styled_line.h"

namespace shoal::cli {

// What a key means here; others are their character.
inline constexpr int kKeyNone = -1;    // none was pressed in time
inline constexpr int kKeyResize = -2;  // the terminal has another size now
inline constexpr int kKeyUp = -3;
inline constexpr int kKeyDown = -4;
inline constexpr int kKeyEnter = '\n';
inline constexpr int kKeyEscape = 27;
inline constexpr int kKeyBackspace = 127;

// Takes the terminal of standard input and output, and gives it back as it was.
// Colours only where it has some and NO_COLOR is not set.
// Threads: thread-compatible; one at a time in a process.
class TopTerminal {
 public:
  // Errors: kFailedPrecondition  no terminal, or one of unknown kind ($TERM)
  static absl::StatusOr<std::unique_ptr<TopTerminal>> Create();
  ~TopTerminal();
  TopTerminal(const TopTerminal&) = delete;
  TopTerminal& operator=(const TopTerminal&) = delete;

  int width() const;
  int height() const;
  // Whether it can show what Glyphs::Utf8() has.
  bool has_utf8() const;

  // Replaces what is shown. More lines or columns than it has are left out.
  void Draw(const std::vector<StyledLine>& lines);
  // Waits for a key for at most `patience`.
  int ReadKey(absl::Duration patience);

 private:
  struct Impl;
  explicit TopTerminal(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_TERMINAL_H_
