#include "tests/testing/virtual_terminal.h"

#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/check.h"

namespace shoal::testing {
namespace {

constexpr int kExitCannotStart = 127;
const std::string kBlank(1, ' ');

bool IsWhole(const std::string& character) {
  const auto first = static_cast<unsigned char>(character[0]);
  const size_t bytes = first < 0x80   ? 1
                       : first < 0xE0 ? 2
                       : first < 0xF0 ? 3
                                      : 4;
  return character.size() >= bytes;
}

}  // namespace

VirtualTerminal::VirtualTerminal(
    int width, int height, const std::vector<std::string>& words,
    const std::map<std::string, std::string>& environment)
    : width_(width),
      height_(height),
      cells_(static_cast<size_t>(height),
             std::vector<std::string>(static_cast<size_t>(width), kBlank)),
      scroll_end_(height) {
  std::vector<std::string> copies = words;
  std::vector<char*> arguments;
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  winsize size = {};
  size.ws_col = static_cast<unsigned short>(width);
  size.ws_row = static_cast<unsigned short>(height);
  pid_ = forkpty(&file_, nullptr, nullptr, &size);
  SHOAL_CHECK(pid_ >= 0);
  if (pid_ > 0) return;
  setenv("TERM", "vt100", 1);
  unsetenv("LINES");
  unsetenv("COLUMNS");
  for (const auto& [name, value] : environment) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  execv(arguments[0], arguments.data());
  _exit(kExitCannotStart);
}

VirtualTerminal::~VirtualTerminal() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(file_);
}

std::vector<std::string> VirtualTerminal::Lines() const {
  std::vector<std::string> lines;
  for (const auto& row : cells_) {
    std::string line = absl::StrJoin(row, "");
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string VirtualTerminal::Text() const {
  return absl::StrJoin(Lines(), "\n");
}

bool VirtualTerminal::WaitFor(const std::string& text, absl::Time deadline) {
  while (Text().find(text) == std::string::npos) {
    if (!ReadSome(deadline) || absl::Now() >= deadline) return false;
  }
  return true;
}

void VirtualTerminal::Type(const std::string& keys) {
  SHOAL_CHECK(write(file_, keys.data(), keys.size()) ==
              static_cast<ssize_t>(keys.size()));
}

int VirtualTerminal::Wait(absl::Time deadline) {
  while (absl::Now() < deadline && ReadSome(deadline)) {
  }
  if (!ended_) return -1;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool VirtualTerminal::ReadSome(absl::Time deadline) {
  if (ended_) return false;
  pollfd waiting = {file_, POLLIN, 0};
  const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
  if (poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left_ms, 0))) <= 0) {
    return true;
  }
  std::array<char, 4096> bytes;
  const ssize_t count = read(file_, bytes.data(), bytes.size());
  if (count <= 0) {  // of a terminal that nobody has open any more, an error
    ended_ = true;
    return false;
  }
  for (ssize_t i = 0; i < count; ++i) {
    const char c = bytes[static_cast<size_t>(i)];
    if (mode_ != Mode::kText || (c >= 0 && c < ' ') || c == 127) {
      TakeControl(c);
      continue;
    }
    character_.push_back(c);
    if (!IsWhole(character_)) continue;
    Take(character_);
    character_.clear();
  }
  return true;
}

void VirtualTerminal::Take(const std::string& character) {
  if (column_ == width_) {
    column_ = 0;
    LineFeed();
  }
  cells_[static_cast<size_t>(row_)][static_cast<size_t>(column_)] = character;
  ++column_;
}

void VirtualTerminal::LineFeed() {
  if (row_ + 1 != scroll_end_) {
    row_ = std::min(row_ + 1, height_ - 1);
    return;
  }
  const auto first = cells_.begin() + scroll_begin_;
  std::rotate(first, first + 1, cells_.begin() + scroll_end_);
  EraseTo(row_, 0, width_);
}

void VirtualTerminal::ReverseLineFeed() {
  if (row_ != scroll_begin_) {
    row_ = std::max(row_ - 1, 0);
    return;
  }
  const auto end = cells_.begin() + scroll_end_;
  std::rotate(cells_.begin() + scroll_begin_, end - 1, end);
  EraseTo(row_, 0, width_);
}

void VirtualTerminal::EraseTo(int row, int begin, int end) {
  auto& cells = cells_[static_cast<size_t>(row)];
  std::fill(cells.begin() + begin, cells.begin() + end, kBlank);
}

int VirtualTerminal::Argument(size_t index, int otherwise) const {
  const std::vector<std::string> all = absl::StrSplit(arguments_, ';');
  int number = 0;
  if (index >= all.size() || !absl::SimpleAtoi(all[index], &number)) {
    return otherwise;
  }
  return number;
}

void VirtualTerminal::TakeControl(char c) {
  switch (mode_) {
    case Mode::kCharset:
      mode_ = Mode::kText;
      return;
    case Mode::kSequence:
      if (c >= '@') {
        mode_ = Mode::kText;
        TakeSequence(c);
      } else {
        arguments_.push_back(c);
      }
      return;
    case Mode::kEscape:
      mode_ = c == '['                           ? Mode::kSequence
              : c == '(' || c == ')' || c == '#' ? Mode::kCharset
                                                 : Mode::kText;
      arguments_.clear();
      if (c == 'D') LineFeed();
      if (c == 'M') ReverseLineFeed();
      return;
    case Mode::kText:
      break;
  }
  if (c == 27) mode_ = Mode::kEscape;
  if (c == '\r') column_ = 0;
  if (c == '\n') LineFeed();
  if (c == '\b') column_ = std::max(0, std::min(column_, width_ - 1) - 1);
  if (c == '\t') column_ = std::min(width_ - 1, (column_ / 8 + 1) * 8);
}

void VirtualTerminal::TakeSequence(char final) {
  const int count = std::max(1, Argument(0, 1));
  switch (final) {
    case 'H':
      row_ = std::clamp(Argument(0, 1) - 1, 0, height_ - 1);
      column_ = std::clamp(Argument(1, 1) - 1, 0, width_ - 1);
      return;
    case 'A':
      row_ = std::max(0, row_ - count);
      return;
    case 'B':
      row_ = std::min(height_ - 1, row_ + count);
      return;
    case 'C':
      column_ = std::min(width_ - 1, column_ + count);
      return;
    case 'D':
      column_ = std::max(0, column_ - count);
      return;
    case 'J':
      if (Argument(0, 0) != 0) {
        for (int row = 0; row < height_; ++row) EraseTo(row, 0, width_);
        return;
      }
      EraseTo(row_, std::min(column_, width_), width_);
      for (int row = row_ + 1; row < height_; ++row) EraseTo(row, 0, width_);
      return;
    case 'K':
      if (Argument(0, 0) == 1) {
        EraseTo(row_, 0, std::min(column_ + 1, width_));
      } else {
        EraseTo(row_, std::min(column_, width_), width_);
      }
      return;
    case 'r':
      scroll_begin_ = std::clamp(Argument(0, 1) - 1, 0, height_ - 1);
      scroll_end_ = std::clamp(Argument(1, height_), 1, height_);
      row_ = column_ = 0;
      return;
    case 'm':
      for (size_t i = 0; i < 8; ++i) {
        const int number = Argument(i, 0);
        saw_colour_ = saw_colour_ || (number >= 30 && number <= 49);
      }
      return;
    default:
      return;
  }
}

}  // namespace shoal::testing
