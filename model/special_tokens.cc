#include "model/special_tokens.h"

#include <algorithm>

namespace shoal::model {

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary)
    : vocabulary_(vocabulary) {
  Fill(always_, /*parse_special=*/false);
  Fill(parsed_, /*parse_special=*/true);
}

void SpecialTokens::Fill(Set& set, bool parse_special) const {
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    const TokenType type = vocabulary_.type(id);
    const bool wanted = type == TokenType::kUserDefined ||
                        (parse_special && (type == TokenType::kControl ||
                                           type == TokenType::kUnknown));
    const absl::string_view text = vocabulary_.Text(id);
    if (!wanted || text.empty()) continue;
    set.ids.push_back(id);
    set.begins[static_cast<uint8_t>(text[0])] = true;
  }
  std::sort(set.ids.begin(), set.ids.end(), [&](int32_t a, int32_t b) {
    const absl::string_view text_a = vocabulary_.Text(a);
    const absl::string_view text_b = vocabulary_.Text(b);
    return text_a != text_b ? text_a < text_b : a < b;
  });
  set.ids.shrink_to_fit();
}

int32_t SpecialTokens::FindLongestPrefix(const Set& set,
                                         absl::string_view text) const {
  const auto byte_at = [&](int32_t id, size_t depth) {
    return static_cast<uint8_t>(vocabulary_.Text(id)[depth]);
  };
  int32_t longest = Vocabulary::kNoToken;
  auto first = set.ids.begin();
  auto last = set.ids.end();
  // [first, last) are the tokens that share the first `depth` bytes of `text`.
  for (size_t depth = 0; first != last; ++depth) {
    while (first != last && vocabulary_.Text(*first).size() == depth) {
      longest = *first++;
    }
    if (depth == text.size()) break;
    const auto wanted = static_cast<uint8_t>(text[depth]);
    first = std::partition_point(
        first, last, [&](int32_t id) { return byte_at(id, depth) < wanted; });
    last = std::partition_point(
        first, last, [&](int32_t id) { return byte_at(id, depth) == wanted; });
  }
  return longest;
}

std::optional<SpecialTokens::Match> SpecialTokens::FindNext(
    absl::string_view text, size_t from, bool parse_special) const {
  const Set& set = parse_special ? parsed_ : always_;
  if (set.ids.empty()) return std::nullopt;
  for (size_t offset = from; offset < text.size(); ++offset) {
    if (!set.begins[static_cast<uint8_t>(text[offset])]) continue;
    const int32_t id = FindLongestPrefix(set, text.substr(offset));
    if (id != Vocabulary::kNoToken) {
      return Match{offset, vocabulary_.Text(id).size(), id};
    }
  }
  return std::nullopt;
}

uint64_t SpecialTokens::memory_bytes() const {
  return sizeof(*this) +
         (always_.ids.capacity() + parsed_.ids.capacity()) * sizeof(int32_t);
}

}  // namespace shoal::model
