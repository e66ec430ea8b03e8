#include "cli/styled_line.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace shoal::cli {
namespace {

bool ContinuesCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The bytes of the first `columns` characters.
size_t BytesOf(absl::string_view text, int columns) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    if (!ContinuesCharacter(text[bytes]) && columns-- == 0) break;
    ++bytes;
  }
  return bytes;
}

}  // namespace

int ColumnsOf(absl::string_view text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return !ContinuesCharacter(c); }));
}

std::string AsciiOf(absl::string_view text) {
  std::string ascii;
  for (const char c : text) {
    if (ContinuesCharacter(c)) continue;
    ascii.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c
                                                                       : '?');
  }
  return ascii;
}

StyledLine& StyledLine::Add(absl::string_view text, Style style) {
  if (text.empty()) return *this;
  width_ += ColumnsOf(text);
  if (!runs_.empty() && runs_.back().style == style) {
    absl::StrAppend(&runs_.back().text, text);
  } else {
    runs_.push_back({style, std::string(text)});
  }
  return *this;
}

StyledLine& StyledLine::PadTo(int column) {
  if (width_ < column) {
    Add(std::string(static_cast<size_t>(column - width_), ' '));
  }
  return *this;
}

StyledLine& StyledLine::CutTo(int column) {
  while (width_ > column) {
    StyledRun& last = runs_.back();
    const int own = ColumnsOf(last.text);
    const int keep = own - (width_ - column);
    if (keep > 0) {
      last.text.resize(BytesOf(last.text, keep));
      width_ = column;
    } else {
      width_ -= own;
      runs_.pop_back();
    }
  }
  return *this;
}

std::string StyledLine::Text() const {
  std::string text;
  for (const StyledRun& run : runs_) text += run.text;
  return text;
}

Glyphs Glyphs::Utf8() {
  return {"\u2588", "\u2593", "\u2592", "\u2591", "\u00b7", "\u2500"};
}

Glyphs Glyphs::Ascii() { return {"#", "%", "~", ":", ".", "-"}; }

}  // namespace shoal::cli
