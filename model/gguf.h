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
#include "base/unit.h"
#include "kernels/weight_type.h"

namespace shoal::model {

// Numbers are kept widened. Arrays of arrays are refused.
using GgufArray = std::variant<std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;
using GgufValue =
    std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray>;
using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

struct GgufTensor {
  std::string name;
  kernels::WeightType type = kernels::WeightType::kF32;
  // dims[0] is the contiguous one (the columns); 1 to 4 of them.
  std::vector<uint64_t> dims;
  uint64_t offset = 0;  // from the start of the file
  uint64_t bytes = 0;

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const;  // product of the other dims
};

// Of a file without most of its tensor data, whose units lie in weight stores
// (gguf_external.h).
struct GgufExternal {
  uint64_t data_bytes = 0;            // of the data section if it were whole
  uint64_t inline_bytes = 0;          // of it, from its start, in the file
  uint64_t inline_end = 0;            // the same, from the start of the file
  std::string grid;                   // that the digests are listed for
  std::vector<base::Digest> digests;  // of all units, in execution order
};

// Immutable after parsing; thread-safe.
class GgufHeader {
 public:
  // `bytes` is the file's beginning (all of the header at least); `file_size`
  // the size of the whole file, against which tensor ranges are checked.
  // `source` names the file in messages. Of an external file, `file_size` need
  // only cover what is in the file.
  // Limits: model/gguf_format.h has them.
  // Memory: at most 8 bytes for each byte of the header.
  // Errors: kInvalidArgument   not GGUF, or malformed; the message says
  //                            source, byte offset, field, value and limit
  //         kUnimplemented     a version, byte order or tensor type that is
  //                            known but not supported; one part of a split
  //                            model, whose other parts are not there
  //         kOutOfRange        the header goes on past `bytes`
  static absl::StatusOr<GgufHeader> Parse(std::span<const std::byte> bytes,
                                          uint64_t file_size,
                                          absl::string_view source);

  // Reads as much of the file as the header takes, at most 128 MiB, and parses
  // it. Tensor data is not touched. Of a model in several files, `path` may be
  // any of them, and the header is that of the whole (gguf_parts.h).
  // Errors: those of Parse() but kOutOfRange, those of FindGgufParts() and
  //         MergeGgufParts(), and
  //         kNotFound          no such file
  //         kPermissionDenied  it may not be read
  //         kUnavailable       reading failed
  static absl::StatusOr<GgufHeader> ReadFile(const std::string& path);

  // The header again as bytes that Parse() takes with the same file_size: the
  // whole tensor table with offsets kept, and all metadata except keys that
  // begin with `without_prefix` (empty: no exception; general.alignment always
  // stays). What a worker is sent. Never longer than the original; numbers are
  // stored in the smallest type of their kind.
  std::string Serialize(absl::string_view without_prefix) const;

  // Typed look-ups. A missing key gives nothing (Find) or kInvalidArgument
  // (Require), a wrong type always kInvalidArgument naming key and types.
  // Uint accepts any integer type whose value is not negative; Float no
  // integer.
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
  const GgufMetadata& metadata() const { return metadata_; }
  uint32_t version() const { return version_; }
  // Of an external file: as if all tensor data were there.
  uint64_t file_size() const { return file_size_; }
  // Set if tensor data is not in the file. Its keys are no part of metadata().
  const std::optional<GgufExternal>& external() const { return external_; }
  uint64_t data_offset() const { return data_offset_; }
  const std::string& source() const { return source_; }

 private:
  friend class GgufParser;

  std::string source_;
  uint32_t version_ = 0;
  uint64_t file_size_ = 0;
  uint64_t data_offset_ = 0;
  std::optional<GgufExternal> external_;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;  // as the file lists them
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_H_
