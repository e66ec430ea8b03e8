// Reading the hyperparameters that families share, with range checks.

#ifndef SHOAL_MODEL_METADATA_H_
#define SHOAL_MODEL_METADATA_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/rope.h"
#include "model/gguf.h"

namespace shoal::model {

// Looks keys up under the prefix of the file's architecture ("llama.").
// `header` is borrowed and must outlive this.
class Metadata {
 public:
  Metadata(const GgufHeader& header, absl::string_view family)
      : header_(header), prefix_(std::string(family) + ".") {}

  // REQUIRES: min <= fallback <= max where a fallback is given.
  // Errors: kInvalidArgument  missing (without fallback), wrong type, or
  //                           outside [min, max]
  absl::StatusOr<uint32_t> Uint(absl::string_view key, uint64_t min,
                                uint64_t max) const;
  absl::StatusOr<uint32_t> UintOr(absl::string_view key, uint64_t fallback,
                                  uint64_t min, uint64_t max) const;
  absl::StatusOr<double> Float(absl::string_view key, double min,
                               double max) const;
  absl::StatusOr<double> FloatOr(absl::string_view key, double fallback,
                                 double min, double max) const;
  absl::StatusOr<std::string> StringOr(absl::string_view key,
                                       absl::string_view fallback) const;
  bool Has(absl::string_view key) const;

  // rope.freq_base, rope.scaling.*; `head_dim` is the default of
  // rope.dimension_count and its limit. Frequency factors are not read.
  absl::StatusOr<kernels::RopeParameters> Rope(
      uint32_t head_dim, kernels::RopePairing pairing) const;

  std::string Key(absl::string_view key) const;

 private:
  absl::Status OutOfRange(absl::string_view key, absl::string_view value,
                          absl::string_view allowed) const;

  const GgufHeader& header_;
  std::string prefix_;
};

// Checks that the tensor is there as [rows, cols] (rows 1: a vector).
// Errors: kInvalidArgument  missing or another shape
absl::Status CheckTensor(const GgufHeader& header, absl::string_view name,
                         uint64_t rows, uint64_t cols);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_METADATA_H_
