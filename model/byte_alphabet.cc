#include "model/byte_alphabet.h"

#include <array>

#include "model/utf8.h"

namespace shoal::model {
namespace {

constexpr int kByteCount = 256;
constexpr int kCodeLimit = 0x144;  // 0x100 and the 68 others

struct Alphabet {
  std::array<char16_t, kByteCount> code_of_byte{};
  std::array<int16_t, kCodeLimit> byte_of_code{};  // -1: none
};

constexpr bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         byte >= 0xae;
}

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  alphabet.byte_of_code.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < kByteCount; ++byte) {
    const int code = StandsForItself(byte) ? byte : next++;
    alphabet.code_of_byte[byte] = static_cast<char16_t>(code);
    alphabet.byte_of_code[code] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

void AppendInByteAlphabet(absl::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    AppendUtf8(kAlphabet.code_of_byte[static_cast<uint8_t>(c)], out);
  }
}

bool AppendFromByteAlphabet(absl::string_view text, std::string& out) {
  const size_t size_before = out.size();
  while (!text.empty()) {
    const Utf8Step step = StepUtf8(text);
    if (step.state != Utf8Step::State::kCharacter || step.code >= kCodeLimit ||
        kAlphabet.byte_of_code[step.code] < 0) {
      out.resize(size_before);
      return false;
    }
    out.push_back(static_cast<char>(kAlphabet.byte_of_code[step.code]));
    text.remove_prefix(step.bytes);
  }
  return true;
}

}  // namespace shoal::model
