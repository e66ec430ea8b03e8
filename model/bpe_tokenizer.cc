#include "model/bpe_tokenizer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/byte_alphabet.h"
#include "model/utf8.h"

namespace shoal::model {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

struct Symbol {
  int32_t id = Vocabulary::kNoToken;  // kNoToken: merged into the left one
  uint32_t previous = kNone;
  uint32_t next = kNone;
};

struct Candidate {
  uint32_t rank = 0;
  uint32_t left = 0;
  uint32_t right = 0;
  int32_t left_id = 0;  // of the two, when the pair was considered
  int32_t right_id = 0;

  // The order of a heap whose top is the lowest rank, the leftmost of equals.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

}  // namespace

struct BpeTokenizer::Scratch {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::string alphabet_text;
};

BpeTokenizer::BpeTokenizer(Vocabulary vocabulary, const Flags& flags,
                           PreTokenizer pre_tokenizer, MergeTable merges)
    : Tokenizer(std::move(vocabulary), flags),
      pre_tokenizer_(std::move(pre_tokenizer)),
      merges_(std::move(merges)) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string text;
    AppendInByteAlphabet(absl::string_view(&c, 1), text);
    byte_ids_[byte] = this->vocabulary().Find(text);
  }
}

absl::StatusOr<std::unique_ptr<Tokenizer>> BpeTokenizer::Create(
    const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::optional<std::string> name,
                         header.FindString("tokenizer.ggml.pre"));
  absl::StatusOr<PreTokenizer> pre_tokenizer =
      PreTokenizer::Create(name.value_or("default"));
  if (!pre_tokenizer.ok()) {
    return absl::Status(pre_tokenizer.status().code(),
                        absl::StrCat(header.source(), ": tokenizer.ggml.pre: ",
                                     pre_tokenizer.status().message()));
  }
  SHOAL_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Create(header));
  SHOAL_ASSIGN_OR_RETURN(MergeTable merges,
                         MergeTable::Create(header, vocabulary));
  SHOAL_ASSIGN_OR_RETURN(
      const Flags flags,
      ReadFlags(header, vocabulary,
                {.adds_bos = pre_tokenizer->kind().adds_bos}));
  return std::unique_ptr<Tokenizer>(
      new BpeTokenizer(std::move(vocabulary), flags, *std::move(pre_tokenizer),
                       std::move(merges)));
}

absl::Status BpeTokenizer::EncodeText(absl::string_view text, bool /*at_start*/,
                                      std::vector<int32_t>& ids) const {
  std::string repaired;
  if (!IsValidUtf8(text)) {
    repaired = ReplaceInvalidUtf8(text);
    text = repaired;
  }
  std::vector<absl::string_view> words;
  SHOAL_RETURN_IF_ERROR(pre_tokenizer_.Split(text, words));
  Scratch scratch;
  for (const absl::string_view word : words) EncodeWord(word, scratch, ids);
  return absl::OkStatus();
}

void BpeTokenizer::EncodeWord(absl::string_view word, Scratch& scratch,
                              std::vector<int32_t>& ids) const {
  if (pre_tokenizer_.kind().takes_whole_words) {
    scratch.alphabet_text.clear();
    AppendInByteAlphabet(word, scratch.alphabet_text);
    const int32_t id = vocabulary().Find(scratch.alphabet_text);
    if (id != Vocabulary::kNoToken) {
      ids.push_back(id);
      return;
    }
  }
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  symbols.clear();
  heap.clear();
  for (const char c : word) {
    int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id == Vocabulary::kNoToken) {
      if (!vocabulary().unknown_id().has_value()) continue;
      id = *vocabulary().unknown_id();
    }
    const auto idx = static_cast<uint32_t>(symbols.size());
    symbols.push_back({id, idx == 0 ? kNone : idx - 1, idx + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = kNone;

  const auto consider = [&](uint32_t left, uint32_t right) {
    if (left == kNone || right == kNone) return;
    const int32_t left_id = symbols[left].id;
    const int32_t right_id = symbols[right].id;
    const uint32_t rank = merges_.FindRank(left_id, right_id);
    if (rank == MergeTable::kNoRank) return;
    heap.push_back({rank, left, right, left_id, right_id});
    std::push_heap(heap.begin(), heap.end());
  };
  for (uint32_t idx = 1; idx < symbols.size(); ++idx) consider(idx - 1, idx);
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    if (left.id != best.left_id || right.id != best.right_id ||
        left.next != best.right) {
      continue;
    }
    left.id = merges_.merged(best.rank);
    left.next = right.next;
    right.id = Vocabulary::kNoToken;
    if (left.next != kNone) symbols[left.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
  // The first symbol is never merged into another: the list begins with it.
  for (uint32_t idx = 0; idx != kNone; idx = symbols[idx].next) {
    ids.push_back(symbols[idx].id);
  }
}

void BpeTokenizer::AppendText(int32_t id, std::string& out) const {
  const absl::string_view text = vocabulary().Text(id);
  if (!AppendFromByteAlphabet(text, out)) out.append(text.data(), text.size());
}

uint64_t BpeTokenizer::memory_bytes() const {
  return Tokenizer::memory_bytes() + merges_.memory_bytes();
}

}  // namespace shoal::model
