#include "model/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/bpe_tokenizer.h"
#include "model/spm_tokenizer.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kModelKey = "tokenizer.ggml.model";

// The value of a byte token, whose text is "<0x0A>"; nothing for other texts.
std::optional<char> ParseByteToken(absl::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') {
    return std::nullopt;
  }
  int value = 0;
  if (!absl::SimpleHexAtoi(text.substr(3, 2), &value)) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(
    const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::string model,
                         header.RequireString(kModelKey));
  if (model == "llama") return SpmTokenizer::Create(header);
  if (model == "gpt2") return BpeTokenizer::Create(header);
  return absl::UnimplementedError(absl::StrCat(
      header.source(), ": ", kModelKey, ": tokenizer \"", model,
      "\" is not supported; known: llama (SentencePiece-style), gpt2 "
      "(byte-level BPE)"));
}

Tokenizer::Tokenizer(Vocabulary vocabulary, const Flags& flags)
    : vocabulary_(std::move(vocabulary)),
      special_tokens_(vocabulary_),
      flags_(flags) {
  SHOAL_CHECK(!flags.adds_bos || bos_id().has_value());
  SHOAL_CHECK(!flags.adds_eos || eos_id().has_value());
}

absl::StatusOr<Tokenizer::Flags> Tokenizer::ReadFlags(
    const GgufHeader& header, const Vocabulary& vocabulary,
    const Flags& defaults) {
  const auto read = [&](absl::string_view what, bool fallback,
                        bool has_id) -> absl::StatusOr<bool> {
    const std::string key = absl::StrCat("tokenizer.ggml.add_", what, "_token");
    SHOAL_ASSIGN_OR_RETURN(const std::optional<bool> value,
                           header.FindBool(key));
    if (value == true && !has_id) {
      return absl::InvalidArgumentError(absl::StrCat(
          header.source(), ": ", key, ": is true, but tokenizer.ggml.", what,
          "_token_id is missing"));
    }
    return value.value_or(fallback && has_id);
  };
  Flags flags;
  SHOAL_ASSIGN_OR_RETURN(flags.adds_bos, read("bos", defaults.adds_bos,
                                              vocabulary.bos_id().has_value()));
  SHOAL_ASSIGN_OR_RETURN(flags.adds_eos, read("eos", defaults.adds_eos,
                                              vocabulary.eos_id().has_value()));
  flags.adds_space_prefix = defaults.adds_space_prefix;
  return flags;
}

void Tokenizer::AddSpaceEater(int32_t id) {
  auto& ids = space_eater_ids_;
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(
    absl::string_view text, const EncodeOptions& options) const {
  if (text.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("text has ", text.size(), " bytes; at most ",
                     kTextBytesMax, " can be encoded at once"));
  }
  std::vector<int32_t> ids;
  if (options.add_special && flags_.adds_bos) ids.push_back(*bos_id());
  bool at_start = true;
  for (size_t offset = 0; offset < text.size();) {
    const std::optional<SpecialTokens::Match> match =
        special_tokens_.FindNext(text, offset, options.parse_special);
    const size_t end = match.has_value() ? match->offset : text.size();
    if (end > offset) {
      SHOAL_RETURN_IF_ERROR(
          EncodeText(text.substr(offset, end - offset), at_start, ids));
    }
    offset = end;
    if (!match.has_value()) break;
    ids.push_back(match->id);
    offset += match->bytes;
    at_start = true;
    if (std::binary_search(space_eater_ids_.begin(), space_eater_ids_.end(),
                           match->id)) {
      while (offset < text.size() && absl::ascii_isspace(text[offset])) {
        ++offset;
      }
    }
  }
  if (options.add_special && flags_.adds_eos) ids.push_back(*eos_id());
  return ids;
}

void Tokenizer::AppendPiece(int32_t id, SpecialText special,
                            std::string& out) const {
  SHOAL_CHECK(id >= 0 && id < vocab_size(), "token id ", id);
  const absl::string_view text = vocabulary_.Text(id);
  switch (vocabulary_.type(id)) {
    case TokenType::kNormal:
      AppendText(id, out);
      return;
    case TokenType::kUnknown:
    case TokenType::kControl:
      if (special == SpecialText::kHide) return;
      [[fallthrough]];
    case TokenType::kUserDefined:
      out.append(text.data(), text.size());
      return;
    case TokenType::kUnused:
      return;
    case TokenType::kByte:
      if (const std::optional<char> byte = ParseByteToken(text)) {
        out.push_back(*byte);
      } else {
        out.append(text.data(), text.size());
      }
      return;
  }
}

std::string Tokenizer::Decode(std::span<const int32_t> ids,
                              SpecialText special) const {
  std::string out;
  for (const int32_t id : ids) AppendPiece(id, special, out);
  // A space after a shown special token was not put there by encoding.
  if (flags_.adds_space_prefix && !out.empty() && out.front() == ' ') {
    out.erase(0, 1);
  }
  return out;
}

uint64_t Tokenizer::memory_bytes() const {
  return vocabulary_.memory_bytes() + special_tokens_.memory_bytes();
}

}  // namespace shoal::model
