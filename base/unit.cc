#include "base/unit.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::base {

std::string ToString(const UnitId& id) {
  static constexpr std::array<const char*, kUnitKindCount> kNames = {
      "hub", "attention", "ffn", "expert", "head"};
  std::string text = absl::StrCat("layer ", id.layer, " ",
                                  kNames[static_cast<size_t>(id.kind)], " ");
  if (id.kind == UnitKind::kExpert) absl::StrAppend(&text, id.expert, ".");
  absl::StrAppend(&text, id.index);
  return text;
}

std::string ToString(const Digest& digest) {
  return absl::StrFormat("%016x%016x", digest.high, digest.low);
}

}  // namespace shoal::base
