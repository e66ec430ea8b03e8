// Which type each tensor of a quantised file gets.

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/quantize_file.h"

namespace shoal::model {
namespace {

using kernels::InfoOf;
using kernels::WeightType;

bool IsFloat(WeightType type) { return InfoOf(type).block_elements == 1; }

// Small, and precise or looked up by row: not worth rounding.
bool StaysAsItIs(const GgufTensor& tensor) {
  if (tensor.dims.size() == 1) return true;
  for (const absl::string_view part :
       {"norm", ".bias", "ffn_gate_inp", "rope_", "position_embd", "exp_probs",
        "attn_sinks"}) {
    if (absl::StrContains(tensor.name, part)) return true;
  }
  return false;
}

bool HasEightBits(WeightType type) {
  return IsFloat(type) || type == WeightType::kQ8_0;
}

bool IsAny(absl::string_view name,
           std::initializer_list<absl::string_view> stems) {
  for (const absl::string_view stem : stems) {
    if (absl::StrContains(name, absl::StrCat(".", stem))) return true;
  }
  return false;
}

// The layer in "blk.7.attn_v.weight"; -1 for tensors of none.
int LayerOf(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  int layer = -1;
  if (parts.size() > 1 && parts[0] == "blk" &&
      absl::SimpleAtoi(parts[1], &layer)) {
    return layer;
  }
  return -1;
}

int LayerCountOf(const GgufHeader& header) {
  int count = 0;
  for (const GgufTensor& tensor : header.tensors()) {
    count = std::max(count, LayerOf(tensor.name) + 1);
  }
  return count;
}

// Errors in values and in what FFNs return hurt the most.
WeightType MixedType(WeightType type, absl::string_view name, int layers) {
  const int layer = LayerOf(name);
  const bool value = IsAny(name, {"attn_v.", "attn_qkv."});
  const bool down = IsAny(name, {"ffn_down"});
  switch (type) {
    case WeightType::kQ4_K:
    case WeightType::kQ5_K: {
      const int eighth = layers / 8;
      const bool chosen = layer < eighth || layer >= 7 * layers / 8 ||
                          (layer - eighth) % 3 == 2;
      return (value || down) && chosen ? WeightType::kQ6_K : type;
    }
    case WeightType::kQ3_K:
      if ((value && layer < 2) || (down && layer < layers / 16)) {
        return WeightType::kQ5_K;
      }
      [[fallthrough]];
    case WeightType::kQ2_K:
      if (value || down || IsAny(name, {"attn_output."})) {
        return type == WeightType::kQ3_K ? WeightType::kQ4_K
                                         : WeightType::kQ3_K;
      }
      return type;
    default:
      return type;
  }
}

// A type of smaller blocks, of at least as many bits.
WeightType SmallerBlocks(WeightType type) {
  switch (type) {
    case WeightType::kQ2_K:
    case WeightType::kQ3_K:
    case WeightType::kIQ4_XS:
      return WeightType::kIQ4_NL;
    case WeightType::kQ4_K:
      return WeightType::kQ5_0;
    case WeightType::kQ5_K:
      return WeightType::kQ5_1;
    case WeightType::kQ6_K:
      return WeightType::kQ8_0;
    default:
      return WeightType::kF16;
  }
}

QuantizeChoice FitRows(WeightType type, const GgufTensor& tensor) {
  QuantizeChoice choice{type, ""};
  while (tensor.cols() % InfoOf(choice.type).block_elements != 0) {
    choice.type = SmallerBlocks(choice.type);
  }
  if (choice.type != type) {
    choice.reason = absl::StrCat(
        tensor.name, ": ", InfoOf(choice.type).name, " instead of ",
        InfoOf(type).name, ", as its rows of ", tensor.cols(),
        " are not whole blocks of ", InfoOf(type).block_elements);
  }
  return choice;
}

}  // namespace

absl::StatusOr<std::vector<QuantizeChoice>> ChooseTypes(
    const GgufHeader& header, WeightType type) {
  const int layers = LayerCountOf(header);
  const bool tied = header.FindTensor("output.weight") == nullptr;
  std::vector<QuantizeChoice> choices;
  for (const GgufTensor& tensor : header.tensors()) {
    if (StaysAsItIs(tensor)) {
      choices.push_back({tensor.type, ""});
      continue;
    }
    if (!IsFloat(tensor.type)) {
      return absl::InvalidArgumentError(absl::StrCat(
          header.source(), ": tensor ", tensor.name, " is ",
          InfoOf(tensor.type).name,
          " already; only F32, F16 and BF16 files can be quantised"));
    }
    const bool is_head = tensor.name == "output.weight" ||
                         (tied && tensor.name == "token_embd.weight");
    WeightType wanted = MixedType(type, tensor.name, layers);
    if (is_head && !HasEightBits(type)) wanted = WeightType::kQ6_K;
    choices.push_back(FitRows(wanted, tensor));
  }
  return choices;
}

}  // namespace shoal::model
