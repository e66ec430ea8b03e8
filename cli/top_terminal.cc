#include "cli/top_terminal.h"

#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

// Its functions, not macros with names such as "timeout" and "clear".
#define NCURSES_NOMACROS 1
#include <ncurses.h>

#include "absl/strings/str_cat.h"

namespace shoal::cli {
namespace {

// Colours that people with any kind of colour vision tell apart on light and
// dark ground; blue and yellow rather than green and red.
struct Look {
  short colour;
  attr_t attributes;
};

Look LookOf(Style style) {
  switch (style) {
    case Style::kTitle:
      return {-1, A_BOLD};
    case Style::kFaint:
      return {-1, A_DIM};
    case Style::kGood:
      return {COLOR_CYAN, A_NORMAL};
    case Style::kWarning:
      return {COLOR_YELLOW, A_BOLD};
    case Style::kError:
      return {COLOR_MAGENTA, A_BOLD | A_REVERSE};
    case Style::kCompute:
      return {COLOR_BLUE, A_NORMAL};
    case Style::kDisk:
      return {COLOR_YELLOW, A_NORMAL};
    case Style::kWire:
      return {COLOR_CYAN, A_NORMAL};
    case Style::kWait:
      return {COLOR_MAGENTA, A_NORMAL};
    case Style::kMemory:
      return {COLOR_BLUE, A_NORMAL};
    case Style::kPlain:
      break;
  }
  return {-1, A_NORMAL};
}

constexpr Style kLastStyle = Style::kMemory;

short PairOf(Style style) {
  return static_cast<short>(1 + static_cast<int>(style));
}

}  // namespace

struct TopTerminal::Impl {
  SCREEN* screen = nullptr;
  bool has_colours = false;
  bool has_utf8 = false;
};

absl::StatusOr<std::unique_ptr<TopTerminal>> TopTerminal::Create() {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
    return absl::FailedPreconditionError(
        "standard input or output is no terminal; use --plain");
  }
  std::setlocale(LC_CTYPE, "");
  auto impl = std::make_unique<Impl>();
  impl->has_utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  impl->screen = newterm(nullptr, stdout, stdin);
  if (impl->screen == nullptr) {
    const char* const kind = std::getenv("TERM");
    return absl::FailedPreconditionError(
        absl::StrCat("the terminal is of a kind that is not known here ($TERM "
                     "is '",
                     kind == nullptr ? "" : kind, "'); use --plain"));
  }
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  keypad(stdscr, TRUE);
  set_escdelay(25);
  const char* const no_color = std::getenv("NO_COLOR");
  impl->has_colours =
      has_colors() && (no_color == nullptr || no_color[0] == '\0');
  if (impl->has_colours) {
    start_color();
    use_default_colors();
    for (int i = 0; i <= static_cast<int>(kLastStyle); ++i) {
      const auto style = static_cast<Style>(i);
      init_pair(PairOf(style), LookOf(style).colour, -1);
    }
  }
  return std::unique_ptr<TopTerminal>(new TopTerminal(std::move(impl)));
}

TopTerminal::TopTerminal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TopTerminal::~TopTerminal() {
  endwin();
  delscreen(impl_->screen);
}

int TopTerminal::width() const { return getmaxx(stdscr); }
int TopTerminal::height() const { return getmaxy(stdscr); }
bool TopTerminal::has_utf8() const { return impl_->has_utf8; }

void TopTerminal::Draw(const std::vector<StyledLine>& lines) {
  werase(stdscr);
  const int count = std::min(height(), static_cast<int>(lines.size()));
  for (int row = 0; row < count; ++row) {
    wmove(stdscr, row, 0);
    for (const StyledRun& run : lines[static_cast<size_t>(row)].runs()) {
      const Look look = LookOf(run.style);
      wattr_set(stdscr, look.attributes,
                impl_->has_colours ? PairOf(run.style) : short{0}, nullptr);
      waddnstr(stdscr, run.text.c_str(), static_cast<int>(run.text.size()));
    }
  }
  wattr_set(stdscr, A_NORMAL, 0, nullptr);
  wrefresh(stdscr);
}

int TopTerminal::ReadKey(absl::Duration patience) {
  wtimeout(stdscr, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  const int key = wgetch(stdscr);
  switch (key) {
    case ERR:
      return kKeyNone;
    case KEY_RESIZE:
      return kKeyResize;
    case KEY_UP:
      return kKeyUp;
    case KEY_DOWN:
      return kKeyDown;
    case KEY_BACKSPACE:
    case '\b':
      return kKeyBackspace;
    case KEY_ENTER:
    case '\r':
      return kKeyEnter;
    default:
      return key;
  }
}

}  // namespace shoal::cli
