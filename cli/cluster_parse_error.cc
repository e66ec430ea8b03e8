#include "cli/cluster_parse_error.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "cli/command.h"
#include "proto/cluster_config.pb.h"

namespace shoal::cli {
namespace {

constexpr char kUnknownField[] = "has no field named \"";

// The names of the fields of a message, and what a person calls that message.
struct Block {
  std::string name;
  std::vector<std::string> fields;
};

Block BlockOf(absl::string_view message_name) {
  const auto* descriptor =
      proto::ClusterConfig::descriptor()->file()->pool()->FindMessageTypeByName(
          std::string(message_name));
  Block block;
  if (descriptor == nullptr) return block;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    block.fields.push_back(descriptor->field(i)->name());
  }
  if (descriptor == proto::DeviceConfig::descriptor()) {
    block.name = "of devices";
  } else if (descriptor == proto::ModelConfig::descriptor()) {
    block.name = "of model";
  } else {
    block.name = "outside of devices and model";
  }
  return block;
}

// The text between the first two `quote`s after `before`.
std::string Quoted(absl::string_view text, absl::string_view before) {
  const size_t at = text.find(before);
  if (at == absl::string_view::npos) return "";
  const std::vector<std::string> parts =
      absl::StrSplit(text.substr(at + before.size()), absl::MaxSplits('"', 1));
  return parts[0];
}

}  // namespace

ClusterParseError::ClusterParseError(std::string path, const std::string& text)
    : path_(std::move(path)), lines_(absl::StrSplit(text, '\n')) {}

void ClusterParseError::AddError(int line, int column,
                                 const std::string& message) {
  if (!text_.empty()) return;
  if (line < 0) {
    text_ = absl::StrCat(path_, ": ", message);
    return;
  }
  // The parser stops behind the name of an unknown field.
  const std::string unknown = Quoted(message, kUnknownField);
  int shown = column;
  if (!unknown.empty() && static_cast<size_t>(line) < lines_.size()) {
    const size_t at = lines_[static_cast<size_t>(line)].rfind(
        unknown, static_cast<size_t>(column));
    if (at != std::string::npos) shown = static_cast<int>(at);
  }
  text_ = absl::StrCat(path_, ":", line + 1, ":", shown + 1, ": ",
                       Explain(line, column, message));
}

std::string ClusterParseError::FieldAt(int line, int column) const {
  if (line < 0 || static_cast<size_t>(line) >= lines_.size()) return "";
  absl::string_view before(lines_[static_cast<size_t>(line)]);
  before = before.substr(0, static_cast<size_t>(std::max(column, 0)));
  // A column counts what a tab makes of itself; the line may be shorter.
  before = absl::StripTrailingAsciiWhitespace(before);
  absl::ConsumeSuffix(&before, "-");
  before = absl::StripTrailingAsciiWhitespace(before);
  if (!absl::ConsumeSuffix(&before, ":")) return "";
  before = absl::StripTrailingAsciiWhitespace(before);
  size_t begin = before.size();
  while (begin > 0 &&
         (absl::ascii_isalnum(before[begin - 1]) || before[begin - 1] == '_')) {
    --begin;
  }
  return std::string(before.substr(begin));
}

std::string ClusterParseError::Explain(int line, int column,
                                       const std::string& message) const {
  const absl::string_view said(message);
  const std::string unknown = Quoted(said, kUnknownField);
  if (!unknown.empty()) {
    const Block block = BlockOf(Quoted(said, "Message type \""));
    return absl::StrCat(
        unknown, ": there is no such field", DidYouMean(unknown, block.fields),
        " (fields ", block.name, ": ", absl::StrJoin(block.fields, ", "), ")");
  }
  const std::string field = FieldAt(line, column);
  const std::string prefix = field.empty() ? "" : absl::StrCat(field, ": ");
  const std::vector<std::string> halves =
      absl::StrSplit(said, absl::MaxSplits(", got: ", 1));
  const std::string got = halves.size() == 2 ? halves[1] : "";
  if (absl::StartsWith(said, "Expected integer")) {
    return absl::StrCat(prefix, "it must be a whole number of 0 or more, not ",
                        got);
  }
  if (absl::StartsWith(said, "Expected string")) {
    return absl::StrCat(prefix, "it must be text in quotation marks, not ",
                        got);
  }
  if (absl::StartsWith(said, "Expected double")) {
    return absl::StrCat(prefix, "it must be a number, not ", got);
  }
  const std::string flag = Quoted(said, "Invalid value for boolean field \"");
  if (!flag.empty()) {
    return absl::StrCat(flag, ": it must be true or false, not ",
                        Quoted(said, "Value: \""));
  }
  return absl::StrCat(prefix, message);
}

}  // namespace shoal::cli
