#include "kernels/weight_type.h"

#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "kernels/type_table.h"

namespace shoal::kernels {
namespace {

// By id; empty where the format has dropped or never given one.
constexpr std::array<absl::string_view, 40> kGgufNames = {
    "F32",   "F16",   "Q4_0",    "Q4_1",   "",        "",      "Q5_0",
    "Q5_1",  "Q8_0",  "Q8_1",    "Q2_K",   "Q3_K",    "Q4_K",  "Q5_K",
    "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL",
    "IQ3_S", "IQ2_S", "IQ4_XS",  "I8",     "I16",     "I32",   "I64",
    "F64",   "IQ1_M", "BF16",    "",       "",        "",      "TQ1_0",
    "TQ2_0", "",      "",        "",       "MXFP4"};

}  // namespace

std::span<const WeightType> SupportedWeightTypes() {
  static const std::vector<WeightType> types = [] {
    std::vector<WeightType> result;
    for (const TypeEntry& entry : TypeTable()) {
      result.push_back(entry.info.type);
    }
    return result;
  }();
  return types;
}

const WeightTypeInfo& InfoOf(WeightType type) { return EntryOf(type).info; }

std::optional<WeightType> WeightTypeFromGgufId(uint32_t id) {
  for (const TypeEntry& entry : TypeTable()) {
    if (static_cast<uint32_t>(entry.info.type) == id) return entry.info.type;
  }
  return std::nullopt;
}

std::string GgufTypeName(uint32_t id) {
  if (id < kGgufNames.size() && !kGgufNames[id].empty()) {
    return std::string(kGgufNames[id]);
  }
  return absl::StrCat("type ", id);
}

uint64_t BytesOf(WeightType type, uint64_t count) {
  const WeightTypeInfo& info = InfoOf(type);
  SHOAL_CHECK(count % info.block_elements == 0, count, " elements of ",
              info.name);
  return count / info.block_elements * info.block_bytes;
}

}  // namespace shoal::kernels
