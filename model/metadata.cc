#include "model/metadata.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace shoal::model {

using kernels::RopeParameters;

std::string Metadata::Key(absl::string_view key) const {
  return absl::StrCat(prefix_, key);
}

absl::Status Metadata::OutOfRange(absl::string_view key,
                                  absl::string_view value,
                                  absl::string_view allowed) const {
  return absl::InvalidArgumentError(absl::StrCat(
      header_.source(), ": ", Key(key), " is ", value, "; allowed: ", allowed));
}

absl::StatusOr<uint32_t> Metadata::Uint(absl::string_view key, uint64_t min,
                                        uint64_t max) const {
  SHOAL_ASSIGN_OR_RETURN(const uint64_t value, header_.RequireUint(Key(key)));
  if (value < min || value > max) {
    return OutOfRange(key, absl::StrCat(value), absl::StrCat(min, " to ", max));
  }
  return static_cast<uint32_t>(value);
}

absl::StatusOr<uint32_t> Metadata::UintOr(absl::string_view key,
                                          uint64_t fallback, uint64_t min,
                                          uint64_t max) const {
  if (!Has(key)) return static_cast<uint32_t>(fallback);
  return Uint(key, min, max);
}

absl::StatusOr<double> Metadata::Float(absl::string_view key, double min,
                                       double max) const {
  SHOAL_ASSIGN_OR_RETURN(const double value, header_.RequireFloat(Key(key)));
  if (!(value >= min && value <= max)) {  // also refuses NaN
    return OutOfRange(key, absl::StrCat(value), absl::StrCat(min, " to ", max));
  }
  return value;
}

absl::StatusOr<double> Metadata::FloatOr(absl::string_view key, double fallback,
                                         double min, double max) const {
  if (!Has(key)) return fallback;
  return Float(key, min, max);
}

absl::StatusOr<std::string> Metadata::StringOr(
    absl::string_view key, absl::string_view fallback) const {
  SHOAL_ASSIGN_OR_RETURN(const auto value, header_.FindString(Key(key)));
  return value.value_or(std::string(fallback));
}

bool Metadata::Has(absl::string_view key) const {
  return header_.Find(Key(key)) != nullptr;
}

absl::StatusOr<RopeParameters> Metadata::Rope(
    uint32_t head_dim, kernels::RopePairing pairing) const {
  RopeParameters rope;
  rope.pairing = pairing;
  SHOAL_ASSIGN_OR_RETURN(rope.rotary_dim,
                         UintOr("rope.dimension_count", head_dim, 0, head_dim));
  if (rope.rotary_dim % 2 != 0) {
    return OutOfRange("rope.dimension_count", absl::StrCat(rope.rotary_dim),
                      "an even number");
  }
  SHOAL_ASSIGN_OR_RETURN(rope.base,
                         FloatOr("rope.freq_base", 10000.0, 1e-3, 1e12));
  SHOAL_ASSIGN_OR_RETURN(const std::string type,
                         StringOr("rope.scaling.type", ""));
  // Files from before rope.scaling.* have only rope.scale_linear.
  const bool old_key = !Has("rope.scaling.factor") && Has("rope.scale_linear");
  SHOAL_ASSIGN_OR_RETURN(double factor, FloatOr(old_key ? "rope.scale_linear"
                                                        : "rope.scaling.factor",
                                                1.0, 0, 1e6));
  if (factor == 0) factor = 1;  // the format's way to say "none"
  SHOAL_ASSIGN_OR_RETURN(rope.attention_factor,
                         FloatOr("rope.scaling.attn_factor", 1.0, 1e-6, 1e6));
  // longrope scales by the tensors rope_factors_*, not by the factor.
  if (type == "none" || type == "longrope") return rope;
  if (type == "linear" || type.empty()) {
    rope.frequency_scale = 1 / factor;
    return rope;
  }
  if (type != "yarn") {
    return OutOfRange("rope.scaling.type",
                      absl::StrCat("\"", type.substr(0, 64), "\""),
                      "none, linear, yarn, longrope");
  }
  rope.frequency_scale = 1 / factor;
  rope.extension_factor = 1;
  SHOAL_ASSIGN_OR_RETURN(const uint32_t context,
                         UintOr("context_length", 0, 0, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(
      rope.original_context,
      UintOr("rope.scaling.original_context_length", context, 1, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(
      rope.beta_fast, FloatOr("rope.scaling.yarn_beta_fast", 32.0, 1e-6, 1e6));
  SHOAL_ASSIGN_OR_RETURN(
      rope.beta_slow, FloatOr("rope.scaling.yarn_beta_slow", 1.0, 1e-6, 1e6));
  return rope;
}

absl::Status CheckTensor(const GgufHeader& header, absl::string_view name,
                         uint64_t rows, uint64_t cols) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor, header.RequireTensor(name));
  const bool is_vector = rows == 1;
  const bool fits = tensor->cols() == cols && tensor->rows() == rows &&
                    (!is_vector || tensor->dims.size() == 1);
  if (fits) return absl::OkStatus();
  const std::string expected =
      is_vector ? absl::StrCat(cols) : absl::StrCat(cols, ", ", rows);
  return absl::InvalidArgumentError(
      absl::StrCat(header.source(), ": tensor ", name, " has the shape [",
                   absl::StrJoin(tensor->dims, ", "),
                   "], but the hyperparameters call for [", expected, "]"));
}

}  // namespace shoal::model
