#include "model/gguf.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf_cursor.h"
#include "model/gguf_encode.h"
#include "model/gguf_format.h"
#include "model/gguf_parser.h"

namespace shoal::model {
namespace {

absl::Status WrongType(absl::string_view source, absl::string_view key,
                       const GgufValue& value, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(
      source, ": ", key, " is a ", KindOf(value), "; wanted: ", wanted));
}

absl::Status Missing(absl::string_view source, absl::string_view key) {
  return absl::InvalidArgumentError(
      absl::StrCat(source, ": required key ", key, " is missing"));
}

// Nothing if the key is missing.
template <typename T>
absl::StatusOr<std::optional<T>> FindAs(const GgufHeader& header,
                                        absl::string_view key,
                                        absl::string_view wanted) {
  const GgufValue* value = header.Find(key);
  if (value == nullptr) return std::optional<T>();
  if (const T* typed = std::get_if<T>(value)) return std::optional<T>(*typed);
  return WrongType(header.source(), key, *value, wanted);
}

}  // namespace

absl::string_view KindOf(const GgufValue& value) {
  struct Visitor {
    absl::string_view operator()(uint64_t) const { return "natural number"; }
    absl::string_view operator()(int64_t value) const {
      return value < 0 ? "negative integer" : "signed integer";
    }
    absl::string_view operator()(double) const { return "float"; }
    absl::string_view operator()(bool) const { return "bool"; }
    absl::string_view operator()(const std::string&) const { return "string"; }
    absl::string_view operator()(const GgufArray& array) const {
      constexpr absl::string_view kKinds[] = {
          "array of natural numbers", "array of signed integers",
          "array of floats", "array of bools", "array of strings"};
      static_assert(std::size(kKinds) == std::variant_size_v<GgufArray>);
      return kKinds[array.index()];
    }
  };
  return std::visit(Visitor(), value);
}

uint64_t GgufTensor::rows() const {
  return std::accumulate(dims.begin() + 1, dims.end(), uint64_t{1},
                         std::multiplies<>());
}

absl::StatusOr<GgufHeader> GgufHeader::Parse(std::span<const std::byte> bytes,
                                             uint64_t file_size,
                                             absl::string_view source) {
  if (bytes.size() > file_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": a header of ", bytes.size(),
                     " bytes for a file of ", file_size));
  }
  return GgufParser(bytes, file_size, source).Run();
}

std::string GgufHeader::Serialize(absl::string_view without_prefix) const {
  return EncodeGgufHeader({
      .version = version_,
      .metadata = &metadata_,
      .without_prefix = without_prefix,
      .tensors = tensors_,
      .offsets = GgufHeaderContent::Offsets::kFileStart,
      .numbers = GgufNumbers::kSmallest,
  });
}

absl::StatusOr<std::optional<uint64_t>> GgufHeader::FindUint(
    absl::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::optional<uint64_t>();
  if (const auto* natural = std::get_if<uint64_t>(value))
    return std::optional<uint64_t>(*natural);
  if (const auto* integer = std::get_if<int64_t>(value);
      integer != nullptr && *integer >= 0) {
    return std::optional<uint64_t>(static_cast<uint64_t>(*integer));
  }
  return WrongType(source_, key, *value, "an integer that is not negative");
}

absl::StatusOr<std::optional<double>> GgufHeader::FindFloat(
    absl::string_view key) const {
  return FindAs<double>(*this, key, "a float");
}

absl::StatusOr<std::optional<bool>> GgufHeader::FindBool(
    absl::string_view key) const {
  return FindAs<bool>(*this, key, "a bool");
}

absl::StatusOr<std::optional<std::string>> GgufHeader::FindString(
    absl::string_view key) const {
  return FindAs<std::string>(*this, key, "a string");
}

absl::StatusOr<uint64_t> GgufHeader::RequireUint(absl::string_view key) const {
  SHOAL_ASSIGN_OR_RETURN(const auto value, FindUint(key));
  if (!value) return Missing(source_, key);
  return *value;
}

absl::StatusOr<double> GgufHeader::RequireFloat(absl::string_view key) const {
  SHOAL_ASSIGN_OR_RETURN(const auto value, FindFloat(key));
  if (!value) return Missing(source_, key);
  return *value;
}

absl::StatusOr<std::string> GgufHeader::RequireString(
    absl::string_view key) const {
  SHOAL_ASSIGN_OR_RETURN(auto value, FindString(key));
  if (!value) return Missing(source_, key);
  return *std::move(value);
}

const GgufValue* GgufHeader::Find(absl::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const GgufTensor* GgufHeader::FindTensor(absl::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

absl::StatusOr<const GgufTensor*> GgufHeader::RequireTensor(
    absl::string_view name) const {
  const GgufTensor* tensor = FindTensor(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(source_, ": tensor ", Quoted(name), " is missing"));
  }
  return tensor;
}

}  // namespace shoal::model
