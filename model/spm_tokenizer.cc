#include "model/spm_tokenizer.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "model/utf8.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581
constexpr uint32_t kNone = UINT32_MAX;

struct Symbol {
  uint32_t offset = 0;
  uint32_t bytes = 0;  // 0: merged into its left neighbour
  uint32_t previous = kNone;
  uint32_t next = kNone;
  int32_t id = Vocabulary::kNoToken;
};

struct Candidate {
  float score = 0;
  uint32_t left = 0;
  uint32_t right = 0;
  uint32_t bytes = 0;  // of both; differs if either has merged since
  int32_t id = 0;

  // The order of a max-heap.
  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

std::vector<Symbol> SplitIntoCharacters(absl::string_view text) {
  std::vector<Symbol> symbols;
  symbols.reserve(text.size());
  uint32_t offset = 0;
  while (offset < text.size()) {
    const Utf8Step step = StepUtf8(text.substr(offset));
    // Bytes that are no character stand alone.
    const bool whole = step.state == Utf8Step::State::kCharacter;
    const auto bytes = static_cast<uint32_t>(whole ? step.bytes : 1);
    const auto idx = static_cast<uint32_t>(symbols.size());
    symbols.push_back({.offset = offset,
                       .bytes = bytes,
                       .previous = idx == 0 ? kNone : idx - 1,
                       .next = idx + 1});
    offset += bytes;
  }
  if (!symbols.empty()) symbols.back().next = kNone;
  return symbols;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> SpmTokenizer::Create(
    const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Create(header));
  if (!vocabulary.has_scores()) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(),
        ": tokenizer.ggml.scores: missing; a \"llama\" tokenizer needs it"));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::optional<bool> space_prefix,
                         header.FindBool("tokenizer.ggml.add_space_prefix"));
  SHOAL_ASSIGN_OR_RETURN(
      const Flags flags,
      ReadFlags(header, vocabulary,
                {.adds_bos = true,
                 .adds_space_prefix = space_prefix.value_or(true)}));
  ByteIds byte_ids;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = absl::StrFormat("<0x%02X>", byte);
    int32_t id = vocabulary.Find(text);
    if (id == Vocabulary::kNoToken) {
      if (!vocabulary.unknown_id().has_value()) {
        return absl::InvalidArgumentError(absl::StrCat(
            header.source(), ": tokenizer.ggml.tokens: the byte token ", text,
            " is missing, and tokenizer.ggml.unknown_token_id as well"));
      }
      id = *vocabulary.unknown_id();
    }
    byte_ids[byte] = id;
  }
  SHOAL_ASSIGN_OR_RETURN(const std::optional<std::string> family,
                         header.FindString("general.architecture"));
  std::unique_ptr<SpmTokenizer> tokenizer(
      new SpmTokenizer(std::move(vocabulary), flags, byte_ids));
  // Phi-3 was trained with special tokens that swallow the white space behind
  // them, which GGUF has no key for.
  if (family == "phi3") tokenizer->AddPhi3SpaceEaters();
  return tokenizer;
}

void SpmTokenizer::AddPhi3SpaceEaters() {
  for (int32_t id = 0; id < vocab_size(); ++id) {
    const TokenType type = vocabulary().type(id);
    const absl::string_view text = vocabulary().Text(id);
    const bool special = type == TokenType::kControl ||
                         type == TokenType::kUserDefined ||
                         type == TokenType::kUnknown;
    if (special && text != "<unk>" && text != "<s>" &&
        text != "<|endoftext|>") {
      AddSpaceEater(id);
    }
  }
}

int32_t SpmTokenizer::FindMergeable(absl::string_view text) const {
  const int32_t id = vocabulary().Find(text);
  if (id == Vocabulary::kNoToken) return id;
  // Text that only looks like a control or byte token must not become one.
  const TokenType type = vocabulary().type(id);
  return type == TokenType::kNormal || type == TokenType::kUserDefined
             ? id
             : Vocabulary::kNoToken;
}

void SpmTokenizer::AppendBytes(absl::string_view text,
                               std::vector<int32_t>& ids) const {
  for (const char c : text) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
}

absl::Status SpmTokenizer::EncodeText(absl::string_view text, bool at_start,
                                      std::vector<int32_t>& ids) const {
  std::string marked = absl::StrReplaceAll(text, {{" ", kSpaceMark}});
  if (at_start && adds_space_prefix()) {
    marked.insert(0, kSpaceMark.data(), kSpaceMark.size());
  }
  std::vector<Symbol> symbols = SplitIntoCharacters(marked);
  const auto text_of = [&](const Symbol& symbol) {
    return absl::string_view(marked).substr(symbol.offset, symbol.bytes);
  };
  for (Symbol& symbol : symbols) symbol.id = FindMergeable(text_of(symbol));

  std::priority_queue<Candidate> queue;
  const auto consider = [&](uint32_t left, uint32_t right) {
    if (left == kNone || right == kNone) return;
    const uint32_t bytes = symbols[left].bytes + symbols[right].bytes;
    const int32_t id = FindMergeable(
        absl::string_view(marked).substr(symbols[left].offset, bytes));
    if (id == Vocabulary::kNoToken) return;
    queue.push({vocabulary().score(id), left, right, bytes, id});
  };
  for (uint32_t idx = 1; idx < symbols.size(); ++idx) consider(idx - 1, idx);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    if (left.bytes == 0 || right.bytes == 0 ||
        left.bytes + right.bytes != best.bytes) {
      continue;
    }
    left.bytes = best.bytes;
    left.id = best.id;
    left.next = right.next;
    right.bytes = 0;
    if (left.next != kNone) symbols[left.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }

  for (const Symbol& symbol : symbols) {
    if (symbol.bytes == 0) continue;
    if (symbol.id == Vocabulary::kNoToken) {
      AppendBytes(text_of(symbol), ids);
    } else {
      ids.push_back(symbol.id);
    }
  }
  return absl::OkStatus();
}

void SpmTokenizer::AppendText(int32_t id, std::string& out) const {
  absl::string_view text = vocabulary().Text(id);
  while (!text.empty()) {
    if (absl::StartsWith(text, kSpaceMark)) {
      out.push_back(' ');
      text.remove_prefix(kSpaceMark.size());
    } else {
      out.push_back(text.front());
      text.remove_prefix(1);
    }
  }
}

}  // namespace shoal::model
