#include "model/merge_table.h"

#include <string>
#include <variant>

#include "absl/hash/hash.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kMergesKey = "tokenizer.ggml.merges";

absl::Status Invalid(const GgufHeader& header, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(header.source(), ": ", kMergesKey, ": ", what));
}

}  // namespace

absl::StatusOr<MergeTable> MergeTable::Create(const GgufHeader& header,
                                              const Vocabulary& vocabulary) {
  const GgufValue* value = header.Find(kMergesKey);
  if (value == nullptr) {
    return Invalid(header, "missing; a \"gpt2\" tokenizer needs it");
  }
  const auto* array = std::get_if<GgufArray>(value);
  const auto* lines =
      array == nullptr ? nullptr : std::get_if<std::vector<std::string>>(array);
  if (lines == nullptr) return Invalid(header, "must be an array of strings");
  if (lines->size() > kMergeCountMax) {
    return Invalid(header,
                   absl::StrCat("has ", lines->size(), " entries; allowed are ",
                                kMergeCountMax));
  }
  MergeTable table;
  table.merges_.reserve(lines->size());
  std::string merged;
  for (size_t rank = 0; rank < lines->size(); ++rank) {
    const absl::string_view line = (*lines)[rank];
    const auto fail = [&](absl::string_view what) {
      return Invalid(header,
                     absl::StrCat("entry ", rank, " \"",
                                  absl::Utf8SafeCEscape(line), "\" ", what));
    };
    // The first character is never the separator: a token is not empty.
    const size_t space = line.find(' ', 1);
    if (space == line.npos || space + 1 == line.size()) {
      return fail("must be two tokens with a space between");
    }
    const absl::string_view left = line.substr(0, space);
    const absl::string_view right = line.substr(space + 1);
    merged.assign(left.data(), left.size());
    merged.append(right.data(), right.size());
    const Merge merge = {vocabulary.Find(left), vocabulary.Find(right),
                         vocabulary.Find(merged)};
    for (const int32_t id : {merge.left, merge.right, merge.merged}) {
      if (id == Vocabulary::kNoToken) {
        return fail("names, or makes, what tokenizer.ggml.tokens lacks");
      }
    }
    table.merges_.push_back(merge);
  }
  table.BuildIndex();
  return table;
}

void MergeTable::BuildIndex() {
  size_t slot_count = 1;
  while (slot_count < merges_.size() + merges_.size() / 4 + 1) slot_count *= 2;
  index_.assign(slot_count, 0);
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    const Merge& merge = merges_[rank];
    // Of a pair that is named twice, the first place counts.
    if (FindRank(merge.left, merge.right) != kNoRank) continue;
    size_t slot = absl::HashOf(merge.left, merge.right) & (slot_count - 1);
    while (index_[slot] != 0) slot = (slot + 1) & (slot_count - 1);
    index_[slot] = static_cast<uint32_t>(rank) + 1;
  }
}

uint32_t MergeTable::FindRank(int32_t left, int32_t right) const {
  size_t slot = absl::HashOf(left, right) & (index_.size() - 1);
  while (index_[slot] != 0) {
    const uint32_t rank = index_[slot] - 1;
    if (merges_[rank].left == left && merges_[rank].right == right) return rank;
    slot = (slot + 1) & (index_.size() - 1);
  }
  return kNoRank;
}

}  // namespace shoal::model
