#include "model/utf8.h"

#include "base/check.h"

namespace shoal::model {
namespace {

uint8_t ByteAt(absl::string_view text, size_t idx) {
  return static_cast<uint8_t>(text[idx]);
}

// What a first byte announces: the length, and the range of the second byte
// (the standard's table of well-formed sequences).
struct Lead {
  size_t bytes = 0;  // 0: begins no character
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
};

Lead ReadLead(uint8_t byte) {
  if (byte < 0x80) return {.bytes = 1};
  if (byte < 0xc2) return {};
  if (byte < 0xe0) return {.bytes = 2};
  if (byte == 0xe0) return {.bytes = 3, .second_min = 0xa0};
  if (byte == 0xed) return {.bytes = 3, .second_max = 0x9f};
  if (byte < 0xf0) return {.bytes = 3};
  if (byte == 0xf0) return {.bytes = 4, .second_min = 0x90};
  if (byte < 0xf4) return {.bytes = 4};
  if (byte == 0xf4) return {.bytes = 4, .second_max = 0x8f};
  return {};
}

}  // namespace

Utf8Step StepUtf8(absl::string_view text) {
  SHOAL_DCHECK(!text.empty());
  const uint8_t first = ByteAt(text, 0);
  const Lead lead = ReadLead(first);
  if (lead.bytes == 0) return {Utf8Step::State::kInvalid, 1, 0};
  if (lead.bytes == 1) return {Utf8Step::State::kCharacter, 1, first};
  char32_t code = first & (0xff >> (lead.bytes + 1));
  for (size_t idx = 1; idx < lead.bytes; ++idx) {
    if (idx == text.size()) return {Utf8Step::State::kUnfinished, idx, 0};
    const uint8_t byte = ByteAt(text, idx);
    const uint8_t min = idx == 1 ? lead.second_min : 0x80;
    const uint8_t max = idx == 1 ? lead.second_max : 0xbf;
    if (byte < min || byte > max) return {Utf8Step::State::kInvalid, idx, 0};
    code = code << 6 | (byte & 0x3f);
  }
  return {Utf8Step::State::kCharacter, lead.bytes, code};
}

bool IsValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = StepUtf8(text);
    if (step.state != Utf8Step::State::kCharacter) return false;
    text.remove_prefix(step.bytes);
  }
  return true;
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = StepUtf8(text);
    const absl::string_view shown = step.state == Utf8Step::State::kCharacter
                                        ? text.substr(0, step.bytes)
                                        : kReplacementCharacter;
    out.append(shown.data(), shown.size());
    text.remove_prefix(step.bytes);
  }
  return out;
}

void AppendUtf8(char32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  const int tail_bytes = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t mark = 0xff00u >> (tail_bytes + 1) & 0xff;  // c0, e0, f0
  out.push_back(static_cast<char>(mark | code >> (6 * tail_bytes)));
  for (int idx = tail_bytes - 1; idx >= 0; --idx) {
    out.push_back(static_cast<char>(0x80 | (code >> (6 * idx) & 0x3f)));
  }
}

}  // namespace shoal::model
