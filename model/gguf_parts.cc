#include "model/gguf_parts.h"

#include <filesystem>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/gguf_encode.h"
#include "model/gguf_format.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kArchitectureKey = "general.architecture";
constexpr absl::string_view kSplitPrefix = "split.";

struct PartName {
  std::string prefix;
  uint64_t number = 0;  // from 1
  uint64_t count = 0;
};

// "PREFIX-00001-of-00003.gguf".
std::optional<PartName> ParsePartName(absl::string_view path) {
  constexpr absl::string_view kEnding = ".gguf", kOf = "-of-";
  constexpr size_t kDigits = 5;
  constexpr size_t kTail = 1 + kDigits + 4 + kDigits + 5;
  if (path.size() <= kTail || !absl::EndsWith(path, kEnding)) {
    return std::nullopt;
  }
  const absl::string_view tail = path.substr(path.size() - kTail);
  const absl::string_view number = tail.substr(1, kDigits);
  const absl::string_view count =
      tail.substr(1 + kDigits + kOf.size(), kDigits);
  PartName name;
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf ||
      number.find_first_not_of("0123456789") != absl::string_view::npos ||
      count.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(number, &name.number) ||
      !absl::SimpleAtoi(count, &name.count) || name.count < 2) {
    return std::nullopt;
  }
  name.prefix = std::string(path.substr(0, path.size() - kTail));
  return name;
}

absl::Status CheckKey(const GgufHeader& header, absl::string_view key,
                      uint64_t wanted, absl::string_view why) {
  SHOAL_ASSIGN_OR_RETURN(const std::optional<uint64_t> value,
                         header.FindUint(key));
  if (value == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      header.source(), ": ", key, " is ",
      value.has_value() ? absl::StrCat(*value) : "missing", ", ", why, " ",
      wanted,
      "; are these files of one model, with the names that they came with?"));
}

absl::Status CheckPart(const GgufHeader& header, const GgufHeader& first,
                       size_t index, size_t count) {
  SHOAL_RETURN_IF_ERROR(
      CheckKey(header, "split.no", index, "by the name it is"));
  SHOAL_RETURN_IF_ERROR(
      CheckKey(header, "split.count", count, "by the name it is"));
  SHOAL_ASSIGN_OR_RETURN(const auto family,
                         header.FindString(kArchitectureKey));
  SHOAL_ASSIGN_OR_RETURN(const auto wanted, first.FindString(kArchitectureKey));
  if (family.has_value() && family != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": ", kArchitectureKey, " is ", *family, ", in ",
        first.source(), " it is ", wanted.value_or("missing")));
  }
  if (AlignmentOf(header.metadata()) != AlignmentOf(first.metadata())) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": ", kGgufAlignmentKey, " is ",
        AlignmentOf(header.metadata()), ", in ", first.source(), " it is ",
        AlignmentOf(first.metadata()), "; they must agree"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<GgufPart>> FindGgufParts(const std::string& path) {
  const std::optional<PartName> name = ParsePartName(path);
  if (!name.has_value()) {
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(path, error);
    return std::vector<GgufPart>{{path, 0, error ? 0 : bytes}};
  }
  if (name->number < 1 || name->number > name->count ||
      name->count > kGgufPartsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": by its name it is part ", name->number, " of ",
                     name->count, "; parts are numbered from 1, and at most ",
                     kGgufPartsMax, " are supported"));
  }
  std::vector<GgufPart> parts;
  uint64_t begin = kGgufHeaderBytesMax;
  for (uint64_t i = 1; i <= name->count; ++i) {
    GgufPart part;
    part.path =
        absl::StrFormat("%s-%05d-of-%05d.gguf", name->prefix, i, name->count);
    std::error_code error;
    part.bytes = std::filesystem::file_size(part.path, error);
    if (error) {
      return absl::NotFoundError(
          absl::StrCat(part.path, ": part ", i, " of ", name->count,
                       " of the model cannot be opened (", error.message(),
                       "); all parts must lie in one folder"));
    }
    part.begin = begin;
    begin = base::AlignUp(begin + part.bytes, kGgufAlignmentMax);
    parts.push_back(std::move(part));
  }
  return parts;
}

absl::StatusOr<GgufHeader> MergeGgufParts(
    const std::vector<GgufPart>& parts,
    const std::vector<GgufHeader>& headers) {
  SHOAL_CHECK(parts.size() == headers.size() && parts.size() > 1);
  uint64_t header_bytes = 0;
  std::vector<GgufTensor> tensors;
  for (size_t i = 0; i < parts.size(); ++i) {
    header_bytes += headers[i].data_offset();
    for (const GgufTensor& tensor : headers[i].tensors()) {
      tensors.push_back(tensor);
      tensors.back().offset += parts[i].begin;
    }
  }
  if (header_bytes > kGgufHeaderBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        parts[0].path, ": the headers of all parts have ", header_bytes,
        " bytes; allowed are ", kGgufHeaderBytesMax));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    SHOAL_RETURN_IF_ERROR(CheckPart(headers[i], headers[0], i, parts.size()));
  }
  for (const GgufHeader& header : headers) {
    if (header.Find("split.tensors.count") == nullptr) continue;
    SHOAL_RETURN_IF_ERROR(CheckKey(header, "split.tensors.count",
                                   tensors.size(), "but the files have"));
  }
  const std::string bytes = EncodeGgufHeader({
      .version = headers[0].version(),
      .metadata = &headers[0].metadata(),
      .without_prefix = kSplitPrefix,
      .tensors = tensors,
      .offsets = GgufHeaderContent::Offsets::kFileStart,
      .numbers = GgufNumbers::kSmallest,
  });
  return GgufHeader::Parse(std::as_bytes(std::span(bytes)),
                           parts.back().begin + parts.back().bytes,
                           parts[0].path);
}

}  // namespace shoal::model
