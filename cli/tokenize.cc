#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/standard_input.h"
#include "cli/verbs.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

struct TokenizeFlags {
  std::string model;
  bool no_bos = false;
  bool no_special = false;
  bool json = false;
};

absl::Status Tokenize(const TokenizeFlags& flags) {
  std::unique_ptr<model::Tokenizer> tokenizer;
  {
    SHOAL_ASSIGN_OR_RETURN(const model::GgufHeader header,
                           model::GgufHeader::ReadFile(flags.model));
    SHOAL_ASSIGN_OR_RETURN(tokenizer, model::Tokenizer::Create(header));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string text,
                         ReadStandardInput(model::Tokenizer::kTextBytesMax));
  model::Tokenizer::EncodeOptions options;
  options.add_special = !flags.no_bos;
  options.parse_special = !flags.no_special;
  SHOAL_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                         tokenizer->Encode(text, options));
  const std::string out = flags.json ? nlohmann::json{{"token_ids", ids}}.dump()
                                     : absl::StrJoin(ids, " ");
  std::printf("%s\n", out.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddTokenizeVerb(Command& root) {
  Command& verb =
      root.AddVerb("tokenize", "Text from standard input to token ids");
  auto flags = std::make_shared<TokenizeFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file",
                .required = true},
               SetText(&flags->model));
  verb.AddSwitch({.names = "--no-bos",
                  .help = "Without the tokens that begin and end a text"},
                 &flags->no_bos);
  verb.AddSwitch({.names = "--no-special",
                  .help = "Control tokens written in the text stay text"},
                 &flags->no_special);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetDetails(
      "Example:\n"
      "  printf 'Once upon a time' | shoal tokenize -m MODEL.gguf");
  verb.SetRunner([flags] { return Tokenize(*flags); });
}

}  // namespace shoal::cli
