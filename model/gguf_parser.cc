#include "model/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "kernels/weight_type.h"
#include "model/gguf_external.h"
#include "model/gguf_format.h"
#include "model/gguf_value.h"

namespace shoal::model {
namespace {

// A key without value bytes: length, type, one byte of value.
constexpr uint64_t kMetadataBytesMin = 8 + 4 + 1;
// A tensor without name: name length, dims, one dim, type, offset.
constexpr uint64_t kTensorInfoBytesMin = 8 + 4 + 8 + 4 + 8;

// Type ids above it are not asked for when the supported ones are listed.
constexpr uint32_t kTypeIdsListed = 64;

std::string SupportedTypes() {
  std::vector<absl::string_view> names;
  for (uint32_t id = 0; id < kTypeIdsListed; ++id) {
    if (const auto type = kernels::WeightTypeFromGgufId(id))
      names.push_back(kernels::InfoOf(*type).name);
  }
  return absl::StrJoin(names, ", ");
}

bool HasControlCharacter(absl::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string ShapeOf(const GgufTensor& tensor) {
  return absl::StrJoin(tensor.dims, " x ");
}

}  // namespace

GgufParser::GgufParser(std::span<const std::byte> bytes, uint64_t file_size,
                       absl::string_view source)
    : cursor_(bytes, file_size, source),
      alignment_(kGgufAlignmentDefault),
      bytes_present_(file_size) {
  header_.source_ = std::string(source);
  header_.file_size_ = file_size;
}

absl::StatusOr<GgufHeader> GgufParser::Run(bool is_part) {
  SHOAL_RETURN_IF_ERROR(ReadMagicAndVersion());
  // The metadata count comes after the tensor count, and both before the
  // metadata; the tensor count is checked again when its turn comes.
  SHOAL_ASSIGN_OR_RETURN(
      const uint64_t tensor_count,
      cursor_.ReadCount(kGgufTensorCountMax, kTensorInfoBytesMin,
                        "tensor count"));
  SHOAL_ASSIGN_OR_RETURN(
      const uint64_t metadata_count,
      cursor_.ReadCount(kGgufMetadataCountMax, kMetadataBytesMin,
                        "metadata count"));
  SHOAL_RETURN_IF_ERROR(ReadMetadata(metadata_count));
  if (!is_part) SHOAL_RETURN_IF_ERROR(CheckNotSplit());
  SHOAL_RETURN_IF_ERROR(ReadExternal(is_part));
  SHOAL_RETURN_IF_ERROR(ReadTensors(tensor_count));
  SHOAL_RETURN_IF_ERROR(PlaceTensors());
  return std::move(header_);
}

absl::Status GgufParser::ReadMagicAndVersion() {
  std::string magic;
  for (size_t i = 0; i < kGgufMagic.size(); ++i) {
    SHOAL_ASSIGN_OR_RETURN(const char c, cursor_.Read<char>("magic"));
    magic.push_back(c);
  }
  if (magic != kGgufMagic) {
    return cursor_.Invalid(0, absl::StrCat("not a GGUF file: it begins with ",
                                           Quoted(magic), ", not with 'GGUF'"));
  }
  const uint64_t at = cursor_.offset();
  SHOAL_ASSIGN_OR_RETURN(header_.version_, cursor_.Read<uint32_t>("version"));
  return CheckVersion(at, header_.version_);
}

absl::Status GgufParser::CheckVersion(uint64_t at, uint32_t version) const {
  if (version == 2 || version == 3) return absl::OkStatus();
  if (version == 0) {
    return cursor_.Invalid(at, "version 0; supported are 2 and 3");
  }
  if (version == 1) {
    return cursor_.Unsupported(
        at,
        "version 1 (32-bit lengths) is not supported, only 2 and 3; "
        "convert the model again with a current tool");
  }
  if ((version & 0xffff) == 0) {
    return cursor_.Unsupported(
        at, "the file is big-endian; only little-endian files are supported");
  }
  return cursor_.Unsupported(at, absl::StrCat("version ", version,
                                              " is unknown; supported are 2 "
                                              "and 3"));
}

absl::Status GgufParser::ReadMetadata(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = cursor_.offset();
    const std::string field =
        absl::StrCat("metadata key ", i + 1, " of ", count);
    SHOAL_ASSIGN_OR_RETURN(const absl::string_view key,
                           cursor_.ReadString(kGgufKeyBytesMax, field));
    if (key.empty()) return cursor_.Invalid(at, absl::StrCat(field, ": empty"));
    if (HasControlCharacter(key)) {
      return cursor_.Invalid(
          at, absl::StrCat(field, ": control character in ", Quoted(key)));
    }
    const uint64_t value_at = cursor_.offset();
    SHOAL_ASSIGN_OR_RETURN(GgufValue value, ReadGgufValue(cursor_, key));
    if (key == kGgufAlignmentKey)
      SHOAL_RETURN_IF_ERROR(ReadAlignment(value_at, value));
    if (!header_.metadata_.emplace(key, std::move(value)).second) {
      return cursor_.Invalid(
          at, absl::StrCat(field, ": ", Quoted(key), " is there twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadAlignment(uint64_t at, const GgufValue& value) {
  std::optional<uint64_t> alignment;
  if (const auto* natural = std::get_if<uint64_t>(&value)) {
    alignment = *natural;
  } else if (const auto* integer = std::get_if<int64_t>(&value);
             integer != nullptr && *integer > 0) {
    alignment = static_cast<uint64_t>(*integer);
  }
  if (!alignment) {
    return cursor_.Invalid(
        at, absl::StrCat(kGgufAlignmentKey, " is a ", KindOf(value),
                         "; wanted: a positive integer"));
  }
  if (!std::has_single_bit(*alignment) || *alignment < kGgufAlignmentMin ||
      *alignment > kGgufAlignmentMax) {
    return cursor_.Invalid(
        at, absl::StrCat(kGgufAlignmentKey, " is ", *alignment,
                         "; allowed are the powers of two from ",
                         kGgufAlignmentMin, " to ", kGgufAlignmentMax));
  }
  alignment_ = *alignment;
  return absl::OkStatus();
}

absl::Status GgufParser::CheckNotSplit() const {
  SHOAL_ASSIGN_OR_RETURN(const auto parts, header_.FindUint("split.count"));
  if (parts.value_or(1) <= 1) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const auto part, header_.FindUint("split.no"));
  return cursor_.Unsupported(
      cursor_.offset(),
      absl::StrCat("split.no ", part.value_or(0), ", split.count ", *parts,
                   ": the file is one part of a split model; give all parts "
                   "the names NAME-00001-of-0000N.gguf that they came with"));
}

absl::Status GgufParser::ReadExternal(bool is_part) {
  absl::StatusOr<std::optional<GgufExternal>> external =
      TakeExternal(header_.metadata_);
  if (absl::IsUnimplemented(external.status())) {
    return cursor_.Unsupported(cursor_.offset(), external.status().message());
  }
  if (!external.ok()) {
    return cursor_.Invalid(cursor_.offset(), external.status().message());
  }
  if (!external->has_value()) return absl::OkStatus();
  if (is_part) {
    return cursor_.Unsupported(
        cursor_.offset(),
        "one part of a split model has external tensors; they must be all in "
        "one file");
  }
  header_.external_ = *std::move(external);
  // PlaceTensors() adds what is before the data.
  header_.file_size_ = header_.external_->data_bytes;
  return absl::OkStatus();
}

absl::Status GgufParser::PlaceExternal() {
  if (!header_.external_) return absl::OkStatus();
  GgufExternal& external = *header_.external_;
  header_.file_size_ = header_.data_offset_ + external.data_bytes;
  external.inline_end = header_.data_offset_ + external.inline_bytes;
  if (bytes_present_ < external.inline_end) {
    return cursor_.Invalid(
        cursor_.offset(),
        absl::StrCat("the file has ", bytes_present_, " bytes; ",
                     external.inline_end,
                     " of them should be here even though other tensors are "
                     "external; is the file complete?"));
  }
  for (size_t i = 0; i < header_.tensors_.size(); ++i) {
    const GgufTensor& tensor = header_.tensors_[i];
    const uint64_t end = tensor.offset + tensor.bytes;  // small: see SetSize()
    if (tensor.offset < external.inline_bytes && end > external.inline_bytes) {
      return cursor_.Invalid(
          offset_at_[i],
          absl::StrCat("tensor ", Quoted(tensor.name), " has bytes ",
                       tensor.offset, " to ", end,
                       " of the data, of which the first ",
                       external.inline_bytes,
                       " are in the file; a tensor is in it whole or not"));
    }
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadTensors(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = cursor_.offset();
    SHOAL_ASSIGN_OR_RETURN(GgufTensor tensor, ReadTensor());
    if (!header_.tensor_index_.emplace(tensor.name, i).second) {
      return cursor_.Invalid(
          at, absl::StrCat("tensor ", Quoted(tensor.name), " is there twice"));
    }
    header_.tensors_.push_back(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::StatusOr<GgufTensor> GgufParser::ReadTensor() {
  const uint64_t at = cursor_.offset();
  GgufTensor tensor;
  const std::string field =
      absl::StrCat("name of tensor ", header_.tensors_.size() + 1);
  SHOAL_ASSIGN_OR_RETURN(const absl::string_view name,
                         cursor_.ReadString(kGgufTensorNameBytesMax, field));
  if (name.empty()) return cursor_.Invalid(at, absl::StrCat(field, ": empty"));
  if (HasControlCharacter(name)) {
    return cursor_.Invalid(
        at, absl::StrCat(field, ": control character in ", Quoted(name)));
  }
  tensor.name = std::string(name);
  const uint64_t dims_at = cursor_.offset();
  SHOAL_RETURN_IF_ERROR(ReadDims(tensor));
  SHOAL_RETURN_IF_ERROR(ReadType(tensor));
  SHOAL_RETURN_IF_ERROR(SetSize(dims_at, tensor));
  offset_at_.push_back(cursor_.offset());
  SHOAL_ASSIGN_OR_RETURN(
      tensor.offset,
      cursor_.Read<uint64_t>(absl::StrCat("offset of tensor ", Quoted(name))));
  return tensor;
}

absl::Status GgufParser::ReadDims(GgufTensor& tensor) {
  const uint64_t at = cursor_.offset();
  const std::string field =
      absl::StrCat("dimensions of tensor ", Quoted(tensor.name));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t count, cursor_.Read<uint32_t>(field));
  if (count < 1 || count > kGgufDimsMax) {
    return cursor_.Invalid(
        at,
        absl::StrCat(field, ": ", count, "; allowed are 1 to ", kGgufDimsMax));
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t dim_at = cursor_.offset();
    SHOAL_ASSIGN_OR_RETURN(const uint64_t dim, cursor_.Read<uint64_t>(field));
    if (dim == 0) {
      return cursor_.Invalid(dim_at,
                             absl::StrCat(field, ": number ", i + 1, " is 0"));
    }
    if (dim > std::numeric_limits<uint64_t>::max() / elements) {
      return cursor_.Invalid(dim_at,
                             absl::StrCat(field, ": ", elements, " x ", dim,
                                          " elements are more than 2^64"));
    }
    elements *= dim;
    tensor.dims.push_back(dim);
  }
  return absl::OkStatus();
}

absl::Status GgufParser::ReadType(GgufTensor& tensor) {
  const uint64_t at = cursor_.offset();
  const std::string field =
      absl::StrCat("type of tensor ", Quoted(tensor.name));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t id, cursor_.Read<uint32_t>(field));
  const auto type = kernels::WeightTypeFromGgufId(id);
  if (!type) {
    return cursor_.Unsupported(
        at,
        absl::StrCat(field, ": ", kernels::GgufTypeName(id), " (id ", id,
                     ") is not supported; supported are ", SupportedTypes()));
  }
  tensor.type = *type;
  return absl::OkStatus();
}

absl::Status GgufParser::SetSize(uint64_t at, GgufTensor& tensor) const {
  const kernels::WeightTypeInfo& info = kernels::InfoOf(tensor.type);
  if (tensor.cols() % info.block_elements != 0) {
    return cursor_.Invalid(
        at, absl::StrCat("dimensions of tensor ", Quoted(tensor.name), ": ",
                         ShapeOf(tensor), ": the first must be a multiple of ",
                         info.block_elements, ", the block of ", info.name));
  }
  const uint64_t block_count =
      tensor.cols() / info.block_elements * tensor.rows();
  if (block_count > header_.file_size_ / info.block_bytes) {
    return cursor_.Invalid(
        at, absl::StrCat("dimensions of tensor ", Quoted(tensor.name), ": ",
                         ShapeOf(tensor), " elements of ", info.name,
                         " do not fit into the file of ", header_.file_size_,
                         " bytes"));
  }
  tensor.bytes = block_count * info.block_bytes;
  return absl::OkStatus();
}

absl::Status GgufParser::PlaceTensors() {
  header_.data_offset_ = base::AlignUp(cursor_.offset(), alignment_);
  SHOAL_RETURN_IF_ERROR(PlaceExternal());
  const uint64_t data_bytes =
      std::max(header_.file_size_, header_.data_offset_) - header_.data_offset_;
  for (size_t i = 0; i < header_.tensors_.size(); ++i) {
    GgufTensor& tensor = header_.tensors_[i];
    const auto invalid = [&](absl::string_view problem) {
      return cursor_.Invalid(
          offset_at_[i], absl::StrCat("offset of tensor ", Quoted(tensor.name),
                                      ": ", tensor.offset, problem));
    };
    if (tensor.offset % alignment_ != 0) {
      return invalid(
          absl::StrCat(" is not a multiple of the alignment ", alignment_));
    }
    if (tensor.bytes > data_bytes ||
        tensor.offset > data_bytes - tensor.bytes) {
      return invalid(absl::StrCat(
          " and its ", tensor.bytes, " bytes go beyond the file, which has ",
          data_bytes, " bytes of data; is the file complete?"));
    }
    tensor.offset += header_.data_offset_;
  }

  std::vector<size_t> order(header_.tensors_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {},
                    [&](size_t i) { return header_.tensors_[i].offset; });
  for (size_t k = 1; k < order.size(); ++k) {
    const GgufTensor& before = header_.tensors_[order[k - 1]];
    const GgufTensor& tensor = header_.tensors_[order[k]];
    if (before.offset + before.bytes > tensor.offset) {
      return cursor_.Invalid(
          offset_at_[order[k]],
          absl::StrCat("offset of tensor ", Quoted(tensor.name), ": ",
                       tensor.offset - header_.data_offset_, " lies inside of ",
                       Quoted(before.name), ", which has ", before.bytes,
                       " bytes from ", before.offset - header_.data_offset_));
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::model
