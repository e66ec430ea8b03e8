#include "model/architecture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/families/families.h"

namespace shoal::model {
namespace {

struct Family {
  absl::string_view name;
  absl::StatusOr<ModelSpec> (*load)(const GgufHeader&);
};

constexpr Family kFamilies[] = {
    {"cohere2", LoadCohere2},
    {"command-r", LoadCommandR},
    {"deepseek2", LoadDeepseek2},
    {"gemma", LoadGemma},
    {"gemma2", LoadGemma2},
    {"gemma3", LoadGemma3},
    {"gpt-oss", LoadGptOss},
    {"gpt2", LoadGpt2},
    {"gptneox", LoadGptNeox},
    {"granite", LoadGranite},
    {"llama", LoadLlama},
    {"olmo2", LoadOlmo2},
    {"phi2", LoadPhi2},
    {"phi3", LoadPhi3},
    {"qwen2", LoadQwen2},
    {"qwen2moe", LoadQwen2Moe},
    {"qwen3", LoadQwen3},
    {"qwen3moe", LoadQwen3Moe},
    {"smollm3", LoadSmolLm3},
    {"stablelm", LoadStableLm},
    {"starcoder2", LoadStarcoder2},
};

std::string KnownFamilies() {
  std::string names;
  for (const Family& family : kFamilies) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", family.name);
  }
  return names;
}

}  // namespace

absl::StatusOr<ModelSpec> LoadModelSpec(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::string name,
                         header.RequireString("general.architecture"));
  SHOAL_ASSIGN_OR_RETURN(const auto split, header.FindUint("split.count"));
  if (split.value_or(1) > 1) {
    return absl::UnimplementedError(absl::StrCat(
        header.source(), ": split.count is ", *split,
        ": models in several files are not supported; merge the parts"));
  }
  for (const Family& family : kFamilies) {
    if (name == family.name) return family.load(header);
  }
  return absl::UnimplementedError(absl::StrCat(
      header.source(), ": general.architecture \"", name.substr(0, 64),
      "\" is not supported; supported: ", KnownFamilies()));
}

}  // namespace shoal::model
