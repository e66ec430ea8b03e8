// Makes units, in canonical form, straight from a GGUF file.

#ifndef SHOAL_MODEL_UNIT_SOURCE_H_
#define SHOAL_MODEL_UNIT_SOURCE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "model/unit_table.h"

namespace shoal::model {

// Reads with pread; keeps no copy of the model. Threads: thread-safe.
class UnitSource {
 public:
  // Errors: kNotFound, kPermissionDenied, kUnavailable  the file cannot be
  //                                                     opened
  static absl::StatusOr<std::unique_ptr<UnitSource>> Open(
      const std::string& path);
  ~UnitSource();
  UnitSource(const UnitSource&) = delete;
  UnitSource& operator=(const UnitSource&) = delete;

  // Fills `to` with the canonical bytes of `unit`: the parts at their offsets,
  // zeros between them. REQUIRES: to.size() == unit.spec.bytes.
  // Errors: kUnavailable  a read failed or the file got shorter
  absl::Status Read(const UnitLayout& unit, std::span<std::byte> to) const;

  // Fills `to` from any place of the file (embedding rows).
  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) const;

 private:
  UnitSource(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_SOURCE_H_
