#include "model/gguf_cursor.h"

#include <bit>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace shoal::model {

static_assert(std::endian::native == std::endian::little,
              "GGUF numbers are copied as they lie in the file");

std::string Quoted(absl::string_view text) {
  constexpr size_t kShownMax = 64;
  const bool cut = text.size() > kShownMax;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kShownMax)),
                      cut ? "..." : "", "'");
}

absl::StatusOr<absl::string_view> GgufCursor::ReadString(
    uint64_t bytes_max, absl::string_view field) {
  const uint64_t at = offset_;
  SHOAL_ASSIGN_OR_RETURN(const uint64_t length, Read<uint64_t>(field));
  if (length > file_size_ - offset_) {
    return Invalid(at, absl::StrCat(field, ": length ", length,
                                    " goes beyond the file, which has ",
                                    file_size_ - offset_, " bytes left"));
  }
  if (length > bytes_max) {
    return Invalid(at, absl::StrCat(field, ": length ", length, "; at most ",
                                    bytes_max, " is allowed"));
  }
  SHOAL_RETURN_IF_ERROR(Need(length, field));
  const absl::string_view text(
      reinterpret_cast<const char*>(bytes_.data()) + offset_, length);
  offset_ += length;
  return text;
}

absl::StatusOr<uint64_t> GgufCursor::ReadCount(uint64_t count_max,
                                               uint64_t bytes_min_each,
                                               absl::string_view field) {
  const uint64_t at = offset_;
  SHOAL_ASSIGN_OR_RETURN(const uint64_t count, Read<uint64_t>(field));
  const uint64_t left = file_size_ - offset_;
  if (count > left / bytes_min_each) {
    return Invalid(
        at, absl::StrCat(field, " ", count, ": needs ", bytes_min_each,
                         " bytes each or more, the file has ", left, " left"));
  }
  if (count > count_max) {
    return Invalid(at, absl::StrCat(field, " ", count, ": at most ", count_max,
                                    " is allowed"));
  }
  SHOAL_RETURN_IF_ERROR(Need(count * bytes_min_each, field));
  return count;
}

absl::Status GgufCursor::Invalid(uint64_t at, absl::string_view problem) const {
  return absl::InvalidArgumentError(Message(at, problem));
}

absl::Status GgufCursor::Unsupported(uint64_t at,
                                     absl::string_view problem) const {
  return absl::UnimplementedError(Message(at, problem));
}

absl::Status GgufCursor::Short(uint64_t bytes, absl::string_view field) const {
  const uint64_t left = file_size_ - offset_;
  if (bytes > left) {
    return Invalid(offset_,
                   absl::StrCat(field, ": the file is cut off: ", bytes,
                                " bytes wanted, ", left, " left"));
  }
  return absl::OutOfRangeError(
      Message(offset_,
              absl::StrCat(field, ": goes beyond the first ", bytes_.size(),
                           " bytes of the file, which is all that was given")));
}

std::string GgufCursor::Message(uint64_t at, absl::string_view problem) const {
  return absl::StrCat(source_, ": byte ", at, ": ", problem);
}

}  // namespace shoal::model
