#include "model/architecture.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/llama.h"

namespace shoal::model {
namespace {

struct Family {
  absl::string_view name;
  absl::StatusOr<ModelSpec> (*load)(const GgufHeader&);
};

constexpr std::array<Family, 1> kFamilies = {{{"llama", LoadLlama}}};

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
