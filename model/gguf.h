// Reads the header of a GGUF file (versions 2 and 3): metadata and tensor
// table, bounds-checked, without touching tensor data.
//
// Source: the GGUF specification (ggml/docs/gguf.md). Everything in a file is
// foreign: each count, length and offset is checked before it is used, and
// memory stays proportional to the bytes that are really there.

#ifndef SHOAL_MODEL_GGUF_H_
#define SHOAL_MODEL_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/weight_type.h"

namespace shoal::model {

// Arrays of numbers are kept widened; nested arrays are refused unless their
// key is one that nobody reads.
using GgufArray = std::variant<std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;
using GgufValue =
    std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray>;

struct GgufTensor {
  std::string name;
  kernels::WeightType type;
  // dims[0] is the contiguous one (the columns); 1 to 4 of them.
  std::vector<uint64_t> dims;
  uint64_t offset = 0;  // from the start of the file
  uint64_t bytes = 0;

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const;  // product of the other dims
};

// Immutable after parsing; thread-safe.
class GgufHeader {
 public:
  // `bytes` is the file's beginning (all of the header at least); `file_size`
  // the size of the whole file, against which tensor ranges are checked.
  // `source` names the file in messages.
  // Errors: kInvalidArgument   not GGUF, or malformed; the message says
  //                            source, byte offset, field, value and limit
  //         kUnimplemented     a version, byte order or tensor type that is
  //                            known but not supported
  //         kOutOfRange        the header goes on past `bytes`
  static absl::StatusOr<GgufHeader> Parse(std::span<const std::byte> bytes,
                                          uint64_t file_size,
                                          absl::string_view source);

  // Maps the file read-only, parses, and unmaps again.
  static absl::StatusOr<GgufHeader> ReadFile(const std::string& path);

  // The header again as bytes that Parse() takes: all metadata except keys
  // beginning with `without_prefix` and the whole tensor table, with offsets
  // kept. What a worker is sent; Parse it with the same file_size.
  std::string Serialize(absl::string_view without_prefix) const;

  // Typed look-ups. A missing key gives nothing (Find) or kInvalidArgument
  // (Require), a wrong type always kInvalidArgument naming key and types.
  // Integers accept any integer type whose value fits.
  absl::StatusOr<std::optional<uint64_t>> FindUint(absl::string_view key) const;
  absl::StatusOr<std::optional<double>> FindFloat(absl::string_view key) const;
  absl::StatusOr<std::optional<bool>> FindBool(absl::string_view key) const;
  absl::StatusOr<std::optional<std::string>> FindString(
      absl::string_view key) const;
  absl::StatusOr<uint64_t> RequireUint(absl::string_view key) const;
  absl::StatusOr<double> RequireFloat(absl::string_view key) const;
  absl::StatusOr<std::string> RequireString(absl::string_view key) const;
  // Null if missing.
  const GgufValue* Find(absl::string_view key) const;

  // Null if missing. O(log n).
  const GgufTensor* FindTensor(absl::string_view name) const;
  // kInvalidArgument if missing; the message names it.
  absl::StatusOr<const GgufTensor*> RequireTensor(absl::string_view name) const;

  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const {
    return metadata_;
  }
  uint32_t version() const { return version_; }
  uint64_t file_size() const { return file_size_; }
  uint64_t data_offset() const { return data_offset_; }
  const std::string& source() const { return source_; }

 private:
  friend class GgufParser;

  std::string source_;
  uint32_t version_ = 0;
  uint64_t file_size_ = 0;
  uint64_t data_offset_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;  // in file order
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_H_
