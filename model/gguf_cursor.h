// Walks through the bytes of a GGUF header, checking bounds at every step.

#ifndef SHOAL_MODEL_GGUF_CURSOR_H_
#define SHOAL_MODEL_GGUF_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"

namespace shoal::model {

// Every read names `field`, what is read ("key length"), for its message:
// "m.gguf: byte 24: key length 99999: the file has only 7 bytes left".
//
// Memory:  borrows bytes and source; allocates for messages alone.
// Errors:  kInvalidArgument  a read goes past the end of the file
//          kOutOfRange       it goes past the bytes at hand, but not past the
//                            end of the file: ask again with more bytes
// Threads: thread-compatible.
class GgufCursor {
 public:
  // `bytes` are the beginning of a file of `file_size` bytes.
  // REQUIRES: bytes.size() <= file_size.
  GgufCursor(std::span<const std::byte> bytes, uint64_t file_size,
             absl::string_view source)
      : bytes_(bytes), file_size_(file_size), source_(source) {}

  uint64_t offset() const { return offset_; }

  // A little-endian number.
  template <typename T>
  absl::StatusOr<T> Read(absl::string_view field) {
    static_assert(std::is_arithmetic_v<T>);
    SHOAL_RETURN_IF_ERROR(Need(sizeof(T), field));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  // A string with its length before it, as a view of the bytes.
  absl::StatusOr<absl::string_view> ReadString(uint64_t bytes_max,
                                               absl::string_view field);

  // A 64-bit count of things that take `bytes_min_each` bytes or more. Memory
  // for that many may be reserved after it.
  absl::StatusOr<uint64_t> ReadCount(uint64_t count_max,
                                     uint64_t bytes_min_each,
                                     absl::string_view field);

  // kInvalidArgument, at the byte `at`.
  absl::Status Invalid(uint64_t at, absl::string_view problem) const;
  // kUnimplemented, at the byte `at`.
  absl::Status Unsupported(uint64_t at, absl::string_view problem) const;

 private:
  absl::Status Need(uint64_t bytes, absl::string_view field) const {
    if (bytes <= bytes_.size() - offset_) return absl::OkStatus();
    return Short(bytes, field);
  }
  absl::Status Short(uint64_t bytes, absl::string_view field) const;
  std::string Message(uint64_t at, absl::string_view problem) const;

  std::span<const std::byte> bytes_;
  uint64_t file_size_;
  absl::string_view source_;
  uint64_t offset_ = 0;  // <= bytes_.size()
};

// `text` on one line and not too long, quoted, for messages.
std::string Quoted(absl::string_view text);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_CURSOR_H_
