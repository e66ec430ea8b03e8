// A line of a terminal screen as runs of text in one style each.

#ifndef SHOAL_CLI_STYLED_LINE_H_
#define SHOAL_CLI_STYLED_LINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::cli {

// Colours are chosen where the line is drawn. None says anything that the text
// does not say, too.
enum class Style : uint8_t {
  kPlain,
  kTitle,
  kFaint,
  kGood,
  kWarning,
  kError,
  kCompute,
  kDisk,
  kWire,
  kWait,
  kMemory,
};

struct StyledRun {
  Style style = Style::kPlain;
  std::string text;
};

// All text is of characters one column wide: ASCII, or the glyphs of Glyphs.
class StyledLine {
 public:
  StyledLine& Add(absl::string_view text, Style style = Style::kPlain);
  // Blanks up to `column`; nothing if the line is longer already.
  StyledLine& PadTo(int column);
  // Cuts what is beyond.
  StyledLine& CutTo(int column);

  int width() const { return width_; }
  const std::vector<StyledRun>& runs() const { return runs_; }
  // Without styles.
  std::string Text() const;

 private:
  std::vector<StyledRun> runs_;
  int width_ = 0;
};

// What bars are drawn with: parts differ in shape, not in colour alone.
struct Glyphs {
  std::string full, disk, wire, wait, empty, line;

  static Glyphs Utf8();
  static Glyphs Ascii();
};

// One column for each character: what is not printable ASCII becomes '?'.
std::string AsciiOf(absl::string_view text);

// How many characters (not bytes) of UTF-8 text there are.
int ColumnsOf(absl::string_view text);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_STYLED_LINE_H_
