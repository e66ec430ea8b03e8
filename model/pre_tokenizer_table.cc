#include "model/pre_tokenizer_table.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_join.h"

namespace shoal::model {
namespace {

using Pattern = absl::string_view;
using Name = absl::string_view;

// Pieces that several patterns share. \s stands for Unicode's White_Space.
#define SHOAL_ANY_CASE_CONTRACTION \
  R"('(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD]))"
#define SHOAL_SPACES R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
// A word that keeps one leading character which is no letter, digit or line
// break; numbers in groups; punctuation with a leading space and trailing
// line breaks.
#define SHOAL_LLAMA3_WORDS(digits)                                  \
  SHOAL_ANY_CASE_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" digits \
                             R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" SHOAL_SPACES
// The same with words that also end where lower case turns into upper case.
#define SHOAL_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define SHOAL_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define SHOAL_CASED_WORDS(suffix, digits)                                    \
  R"([^\r\n\p{L}\p{N}]?)" SHOAL_UPPER "*" SHOAL_LOWER "+" suffix             \
  R"(|[^\r\n\p{L}\p{N}]?)" SHOAL_UPPER "+" SHOAL_LOWER "*" suffix "|" digits \
  R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" SHOAL_SPACES

constexpr Pattern kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr Pattern kOneDigit = R"(\p{N})";
constexpr Pattern kBloomWords = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

constexpr Name kGpt2Names[] = {"gpt-2", "mpt", "olmo", "jais", "phi-2"};
constexpr Pattern kGpt2[] = {kGpt2Words};

constexpr Name kDefaultNames[] = {"default"};
constexpr Pattern kDefault[] = {R"([\p{P}$+<=>^~|]+)", kGpt2Words, R"(\p{N}+)",
                                "[0-9][0-9][0-9]"};

constexpr Name kLlama3Names[] = {"llama3", "llama-v3", "llama-bpe", "falcon3"};
constexpr Name kDbrxNames[] = {"dbrx", "smaug-bpe", "chatglm-bpe"};
constexpr Pattern kLlama3[] = {SHOAL_LLAMA3_WORDS(R"(\p{N}{1,3})")};

constexpr Name kQwen2Names[] = {"qwen2", "stablelm2", "deepseek-r1-qwen"};
constexpr Pattern kQwen2[] = {SHOAL_LLAMA3_WORDS(R"(\p{N})")};

constexpr Name kStarcoderNames[] = {"starcoder", "refact",    "command-r",
                                    "smollm",    "codeshell", "exaone"};
constexpr Pattern kStarcoder[] = {kOneDigit, kGpt2Words};

constexpr Name kFalconNames[] = {"falcon"};
constexpr Pattern kFalcon[] = {R"([\p{P}$+<=>^~|`]+)", kGpt2Words,
                               "[0-9][0-9][0-9]"};

constexpr Name kBloomNames[] = {"bloom", "poro-chat", "gpt3-finnish"};
constexpr Pattern kBloom[] = {kBloomWords};

constexpr Name kVikingNames[] = {"viking"};
constexpr Pattern kViking[] = {kBloomWords, kOneDigit};

// The look-behind keeps a long run of spaces before something else from being
// tried once for each of them.
constexpr Name kDeepseekLlmNames[] = {"deepseek-llm"};
constexpr Pattern kDeepseekLlm[] = {R"([\r\n])",
                                    R"(\s?\p{L&}+)",
                                    R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
                                    R"((?<!\s)\s++\z)",
                                    R"([一-龥ࠀ-一가-퟿]+)",
                                    R"(\p{N}+)"};

constexpr Name kDeepseekCoderNames[] = {"deepseek-coder"};
constexpr Pattern kDeepseekCoder[] = {R"([\r\n])", R"(\s?\p{L}+)",
                                      R"(\s?\p{P}+)",
                                      R"([一-龥ࠀ-一가-퟿]+)", kOneDigit};

constexpr Name kDeepseek3Names[] = {"deepseek-v3"};
constexpr Pattern kDeepseek3[] = {
    R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
    R"([!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*)" SHOAL_SPACES};

constexpr Name kTekkenNames[] = {"tekken"};
constexpr Pattern kTekken[] = {SHOAL_CASED_WORDS("", R"(\p{N})")};

constexpr Name kGpt4oNames[] = {"gpt-4o", "llama4"};
constexpr Pattern kGpt4o[] = {
    SHOAL_CASED_WORDS("(?:" SHOAL_ANY_CASE_CONTRACTION ")?", R"(\p{N}{1,3})")};

#undef SHOAL_CASED_WORDS
#undef SHOAL_LOWER
#undef SHOAL_UPPER
#undef SHOAL_LLAMA3_WORDS
#undef SHOAL_SPACES
#undef SHOAL_ANY_CASE_CONTRACTION

constexpr PreTokenizerKind kKinds[] = {
    {.names = kGpt2Names, .patterns = kGpt2},
    {.names = kDefaultNames, .patterns = kDefault},
    {.names = kLlama3Names,
     .patterns = kLlama3,
     .takes_whole_words = true,
     .adds_bos = true},
    {.names = kDbrxNames, .patterns = kLlama3},
    {.names = kQwen2Names, .patterns = kQwen2},
    {.names = kStarcoderNames, .patterns = kStarcoder},
    {.names = kFalconNames, .patterns = kFalcon},
    {.names = kBloomNames, .patterns = kBloom},
    {.names = kVikingNames, .patterns = kViking},
    {.names = kDeepseekLlmNames, .patterns = kDeepseekLlm},
    {.names = kDeepseekCoderNames, .patterns = kDeepseekCoder},
    {.names = kDeepseek3Names, .patterns = kDeepseek3},
    {.names = kTekkenNames,
     .patterns = kTekken,
     .takes_whole_words = true,
     .adds_bos = true},
    {.names = kGpt4oNames, .patterns = kGpt4o},
};

}  // namespace

const PreTokenizerKind* FindPreTokenizerKind(absl::string_view name) {
  for (const PreTokenizerKind& kind : kKinds) {
    for (const absl::string_view known : kind.names) {
      if (known == name) return &kind;
    }
  }
  return nullptr;
}

std::string PreTokenizerNames() {
  std::vector<absl::string_view> names;
  for (const PreTokenizerKind& kind : kKinds) {
    names.insert(names.end(), kind.names.begin(), kind.names.end());
  }
  std::sort(names.begin(), names.end());
  return absl::StrJoin(names, ", ");
}

}  // namespace shoal::model
