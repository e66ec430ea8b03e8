#define PCRE2_CODE_UNIT_WIDTH 8

#include "model/pre_tokenizer.h"

#include <pcre2.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::model {
namespace {

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using CodePtr = std::unique_ptr<pcre2_code, CodeDeleter>;
using MatchDataPtr = std::unique_ptr<pcre2_match_data, MatchDataDeleter>;

// PCRE2's own \s takes U+180E for a space, which it was until Unicode 6.3.
CodePtr Compile(absl::string_view pattern) {
  const std::string text = absl::StrReplaceAll(
      pattern, {{"\\s", "\\p{White_Space}"}, {"\\S", "\\P{White_Space}"}});
  int error = 0;
  PCRE2_SIZE offset = 0;
  CodePtr code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()),
                             text.size(), PCRE2_UTF | PCRE2_UCP, &error,
                             &offset, nullptr));
  SHOAL_CHECK(code != nullptr, "pattern ", text, " at ", offset, ": error ",
              error);
  return code;
}

}  // namespace

struct PreTokenizer::Pattern {
  CodePtr code;

  // Appends the pieces of `text` to `pieces`.
  absl::Status Split(absl::string_view text, pcre2_match_data* match,
                     std::vector<absl::string_view>& pieces) const;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<PreTokenizer> PreTokenizer::Create(absl::string_view name) {
  PreTokenizer result;
  result.kind_ = FindPreTokenizerKind(name);
  if (result.kind_ == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("pre-tokenizer \"", name,
                     "\" is not supported; known: ", PreTokenizerNames()));
  }
  for (const absl::string_view pattern : result.kind_->patterns) {
    result.patterns_.push_back(std::make_unique<Pattern>());
    result.patterns_.back()->code = Compile(pattern);
  }
  return result;
}

absl::Status PreTokenizer::Pattern::Split(
    absl::string_view text, pcre2_match_data* match,
    std::vector<absl::string_view>& pieces) const {
  size_t done = 0;  // all before is in `pieces`
  size_t from = 0;
  while (from < text.size()) {
    const int count = pcre2_match(
        code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
        from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match, nullptr);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cutting ", text.size(),
                       " bytes of text into words: "
                       "the pattern engine stopped at byte ",
                       from, " with error ", count, "; use a shorter text"));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
    if (range[0] > done) pieces.push_back(text.substr(done, range[0] - done));
    pieces.push_back(text.substr(range[0], range[1] - range[0]));
    done = from = range[1];
  }
  if (done < text.size()) pieces.push_back(text.substr(done));
  return absl::OkStatus();
}

absl::Status PreTokenizer::Split(absl::string_view text,
                                 std::vector<absl::string_view>& pieces) const {
  if (text.empty()) return absl::OkStatus();
  // No pattern has groups that capture: one pair of offsets is enough.
  const MatchDataPtr match(pcre2_match_data_create(1, nullptr));
  SHOAL_CHECK(match != nullptr);
  std::vector<absl::string_view> current = {text};
  std::vector<absl::string_view> next;
  for (const std::unique_ptr<Pattern>& pattern : patterns_) {
    next.clear();
    for (const absl::string_view piece : current) {
      SHOAL_RETURN_IF_ERROR(pattern->Split(piece, match.get(), next));
    }
    std::swap(current, next);
  }
  pieces.insert(pieces.end(), current.begin(), current.end());
  return absl::OkStatus();
}

}  // namespace shoal::model
