// Makes units, in canonical form, straight from a GGUF file.

#ifndef SHOAL_MODEL_UNIT_SOURCE_H_
#define SHOAL_MODEL_UNIT_SOURCE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/unit_table.h"

namespace shoal::model {

// Fills `to` with the canonical bytes of `unit`: the parts at their offsets,
// zeros between them. `read` gets offsets in the file of bytes that lie within
// one tensor. REQUIRES: to.size() == unit.spec.bytes. Errors: those of `read`.
absl::Status ReadUnit(
    const UnitLayout& unit,
    absl::FunctionRef<absl::Status(uint64_t offset, std::span<std::byte> to)>
        read,
    std::span<std::byte> to);

// Reads with pread; keeps no copy of the model. Threads: thread-safe.
class UnitSource {
 public:
  // Of a model in several files, `path` may be any of them.
  // Errors: kNotFound, kPermissionDenied, kUnavailable  a file cannot be
  //                                                     opened
  //         those of FindGgufParts()
  static absl::StatusOr<std::unique_ptr<UnitSource>> Open(
      const std::string& path);
  ~UnitSource();
  UnitSource(const UnitSource&) = delete;
  UnitSource& operator=(const UnitSource&) = delete;

  // As ReadUnit().
  // Errors: kUnavailable  a read failed or the file got shorter
  absl::Status Read(const UnitLayout& unit, std::span<std::byte> to) const;

  // Fills `to` from any place of the model (embedding rows); offsets as in the
  // tensor table. REQUIRES: the range lies within one file of the model.
  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) const;

 private:
  struct File {
    std::string path;
    uint64_t begin = 0;  // gguf_parts.h
    int fd = -1;
  };

  UnitSource() = default;

  std::vector<File> files_;  // ascending by `begin`; never empty
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_SOURCE_H_
