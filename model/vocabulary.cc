#include "model/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr absl::string_view kTypesKey = "tokenizer.ggml.token_type";
constexpr absl::string_view kScoresKey = "tokenizer.ggml.scores";

// Tokens that end a turn or a text in known model families; files often name
// only one of them by key.
constexpr absl::string_view kEndOfGenerationTexts[] = {
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<EOT>",
    "<｜end▁of▁sentence｜>",
};

// Tokens that mark the parts of a text with a hole in it.
constexpr absl::string_view kFillInTheMiddleTexts[] = {
    "<fim_prefix>",    "<fim_suffix>",   "<fim_middle>",   "<fim_pad>",
    "<fim-prefix>",    "<fim-suffix>",   "<fim-middle>",   "<fim-pad>",
    "<|fim_prefix|>",  "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>",
    "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>",
};

absl::Status Invalid(const GgufHeader& header, absl::string_view key,
                     absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(header.source(), ": ", key, ": ", what));
}

// The array under `key` as a vector of T, or null if the key is missing.
template <typename T>
absl::StatusOr<const std::vector<T>*> FindArray(const GgufHeader& header,
                                                absl::string_view key,
                                                absl::string_view wanted) {
  const GgufValue* value = header.Find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(value);
  const auto* typed =
      array == nullptr ? nullptr : std::get_if<std::vector<T>>(array);
  if (typed == nullptr) {
    return Invalid(header, key, absl::StrCat("must be an array of ", wanted));
  }
  return typed;
}

absl::StatusOr<std::optional<int32_t>> FindId(const GgufHeader& header,
                                              absl::string_view key,
                                              int32_t token_count) {
  SHOAL_ASSIGN_OR_RETURN(const std::optional<uint64_t> id,
                         header.FindUint(key));
  if (!id.has_value()) return std::optional<int32_t>();
  if (*id >= static_cast<uint64_t>(token_count)) {
    return Invalid(
        header, key,
        absl::StrCat("id ", *id, " names no token; allowed are 0 to ",
                     token_count - 1));
  }
  return std::optional<int32_t>(static_cast<int32_t>(*id));
}

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::Create(const GgufHeader& header) {
  Vocabulary vocabulary;
  SHOAL_RETURN_IF_ERROR(vocabulary.ReadTexts(header));
  SHOAL_RETURN_IF_ERROR(vocabulary.ReadTypes(header));
  SHOAL_RETURN_IF_ERROR(vocabulary.ReadScores(header));
  vocabulary.BuildIndex();
  SHOAL_RETURN_IF_ERROR(vocabulary.ReadSpecialIds(header));
  return vocabulary;
}

absl::Status Vocabulary::ReadTexts(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<std::string>* texts,
                         FindArray<std::string>(header, kTokensKey, "strings"));
  if (texts == nullptr) {
    return Invalid(header, kTokensKey,
                   "missing; the file has no vocabulary to read text with");
  }
  if (texts->empty() || texts->size() > kTokenCountMax) {
    return Invalid(header, kTokensKey,
                   absl::StrCat("has ", texts->size(),
                                " tokens; allowed are 1 to ", kTokenCountMax));
  }
  uint64_t text_bytes = 0;
  for (const std::string& text : *texts) text_bytes += text.size();
  if (text_bytes > kTextBytesMax) {
    return Invalid(header, kTokensKey,
                   absl::StrCat("has ", text_bytes,
                                " bytes of text; allowed are ", kTextBytesMax));
  }
  pool_.reserve(text_bytes);
  offsets_.reserve(texts->size() + 1);
  offsets_.push_back(0);
  for (const std::string& text : *texts) {
    pool_ += text;
    offsets_.push_back(static_cast<uint32_t>(pool_.size()));
  }
  types_.assign(texts->size(), TokenType::kNormal);
  return absl::OkStatus();
}

absl::Status Vocabulary::ReadTypes(const GgufHeader& header) {
  const GgufValue* value = header.Find(kTypesKey);
  if (value == nullptr) return absl::OkStatus();
  // Files write them as signed or as unsigned numbers.
  std::vector<int64_t> widened;
  const auto* array = std::get_if<GgufArray>(value);
  if (array != nullptr &&
      std::holds_alternative<std::vector<uint64_t>>(*array)) {
    const auto& numbers = std::get<std::vector<uint64_t>>(*array);
    widened.assign(numbers.begin(), numbers.end());
  } else {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<int64_t>* numbers,
                           FindArray<int64_t>(header, kTypesKey, "integers"));
    widened = *numbers;
  }
  if (widened.size() != types_.size()) {
    return Invalid(header, kTypesKey,
                   absl::StrCat("has ", widened.size(), " entries; ",
                                kTokensKey, " has ", types_.size()));
  }
  for (size_t idx = 0; idx < widened.size(); ++idx) {
    if (widened[idx] < static_cast<int64_t>(TokenType::kNormal) ||
        widened[idx] > static_cast<int64_t>(TokenType::kByte)) {
      return Invalid(header, kTypesKey,
                     absl::StrCat("entry ", idx, " is ", widened[idx],
                                  "; allowed are 1 (normal) to 6 (byte)"));
    }
    types_[idx] = static_cast<TokenType>(widened[idx]);
  }
  return absl::OkStatus();
}

absl::Status Vocabulary::ReadScores(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<double>* scores,
                         FindArray<double>(header, kScoresKey, "floats"));
  if (scores == nullptr) return absl::OkStatus();
  if (scores->size() != types_.size()) {
    return Invalid(header, kScoresKey,
                   absl::StrCat("has ", scores->size(), " entries; ",
                                kTokensKey, " has ", types_.size()));
  }
  for (size_t idx = 0; idx < scores->size(); ++idx) {
    if (std::isnan((*scores)[idx])) {
      return Invalid(header, kScoresKey,
                     absl::StrCat("entry ", idx, " is not a number"));
    }
  }
  scores_.assign(scores->begin(), scores->end());
  return absl::OkStatus();
}

absl::Status Vocabulary::ReadSpecialIds(const GgufHeader& header) {
  const auto find = [&](absl::string_view name) {
    return FindId(header, absl::StrCat("tokenizer.ggml.", name, "_token_id"),
                  size());
  };
  SHOAL_ASSIGN_OR_RETURN(bos_id_, find("bos"));
  SHOAL_ASSIGN_OR_RETURN(eos_id_, find("eos"));
  SHOAL_ASSIGN_OR_RETURN(unknown_id_, find("unknown"));
  SHOAL_ASSIGN_OR_RETURN(const std::optional<int32_t> eot_id, find("eot"));
  SHOAL_ASSIGN_OR_RETURN(const std::optional<int32_t> eom_id, find("eom"));
  for (const std::optional<int32_t>& id : {eos_id_, eot_id, eom_id}) {
    if (id.has_value()) AddEndOfGeneration(*id);
  }
  for (const absl::string_view text : kEndOfGenerationTexts) {
    const int32_t id = FindAsControl(text);
    if (id != kNoToken) AddEndOfGeneration(id);
  }
  for (const absl::string_view text : kFillInTheMiddleTexts) {
    FindAsControl(text);
  }
  return absl::OkStatus();
}

int32_t Vocabulary::FindAsControl(absl::string_view text) {
  const int32_t id = Find(text);
  if (id == kNoToken) return id;
  if (type(id) == TokenType::kNormal || type(id) == TokenType::kUserDefined) {
    types_[id] = TokenType::kControl;
  }
  return id;
}

void Vocabulary::AddEndOfGeneration(int32_t id) {
  auto& ids = end_of_generation_ids_;
  const auto place = std::lower_bound(ids.begin(), ids.end(), id);
  if (place == ids.end() || *place != id) ids.insert(place, id);
}

void Vocabulary::BuildIndex() {
  size_t slot_count = 1;
  while (slot_count < types_.size() + types_.size() / 4 + 1) slot_count *= 2;
  index_.assign(slot_count, 0);
  for (int32_t id = 0; id < size(); ++id) {
    const absl::string_view text = Text(id);
    size_t slot = absl::HashOf(text) & (slot_count - 1);
    while (index_[slot] != 0 &&
           Text(static_cast<int32_t>(index_[slot] - 1)) != text) {
      slot = (slot + 1) & (slot_count - 1);
    }
    index_[slot] = static_cast<uint32_t>(id) + 1;
  }
}

absl::string_view Vocabulary::Text(int32_t id) const {
  SHOAL_DCHECK(id >= 0 && id < size(), "token id ", id);
  return absl::string_view(pool_.data() + offsets_[id],
                           offsets_[id + 1] - offsets_[id]);
}

int32_t Vocabulary::Find(absl::string_view text) const {
  size_t slot = absl::HashOf(text) & (index_.size() - 1);
  while (index_[slot] != 0) {
    const int32_t id = static_cast<int32_t>(index_[slot] - 1);
    if (Text(id) == text) return id;
    slot = (slot + 1) & (index_.size() - 1);
  }
  return kNoToken;
}

bool Vocabulary::IsEndOfGeneration(int32_t id) const {
  SHOAL_DCHECK(id >= 0 && id < size(), "token id ", id);
  return std::binary_search(end_of_generation_ids_.begin(),
                            end_of_generation_ids_.end(), id);
}

uint64_t Vocabulary::memory_bytes() const {
  return pool_.capacity() + offsets_.capacity() * sizeof(uint32_t) +
         types_.capacity() * sizeof(TokenType) +
         scores_.capacity() * sizeof(float) +
         index_.capacity() * sizeof(uint32_t) +
         end_of_generation_ids_.capacity() * sizeof(int32_t);
}

}  // namespace shoal::model
