#include "model/gguf_encode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "base/byte_size.h"
#include "base/check.h"

namespace shoal::model {
namespace {

template <typename T>
void AppendNumber(T value, std::string& to) {
  static_assert(std::is_arithmetic_v<T>);
  to.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void AppendType(GgufValueType type, std::string& to) {
  AppendNumber(static_cast<uint32_t>(type), to);
}

void AppendString(absl::string_view text, std::string& to) {
  AppendNumber<uint64_t>(text.size(), to);
  to.append(text.data(), text.size());
}

// The types are picked for a range of values, so that one serves a whole
// array.

GgufValueType TypeFor(uint64_t max, GgufNumbers numbers) {
  if (numbers == GgufNumbers::kSmallest) {
    if (max <= std::numeric_limits<uint8_t>::max())
      return GgufValueType::kUint8;
    if (max <= std::numeric_limits<uint16_t>::max())
      return GgufValueType::kUint16;
  }
  return max <= std::numeric_limits<uint32_t>::max() ? GgufValueType::kUint32
                                                     : GgufValueType::kUint64;
}

template <typename T>
bool Fits(int64_t min, int64_t max) {
  return min >= std::numeric_limits<T>::min() &&
         max <= std::numeric_limits<T>::max();
}

GgufValueType TypeFor(int64_t min, int64_t max, GgufNumbers numbers) {
  if (numbers == GgufNumbers::kSmallest) {
    if (Fits<int8_t>(min, max)) return GgufValueType::kInt8;
    if (Fits<int16_t>(min, max)) return GgufValueType::kInt16;
  }
  return Fits<int32_t>(min, max) ? GgufValueType::kInt32
                                 : GgufValueType::kInt64;
}

// By bits, so that not-a-numbers are kept as well.
bool IsExactFloat(double value) {
  if (std::abs(value) > std::numeric_limits<float>::max() &&
      std::abs(value) <= std::numeric_limits<double>::max()) {
    return false;
  }
  const double back = static_cast<double>(static_cast<float>(value));
  return std::bit_cast<uint64_t>(back) == std::bit_cast<uint64_t>(value);
}

template <typename T>
void AppendAs(GgufValueType type, T value, std::string& to) {
  switch (type) {
    case GgufValueType::kUint8:
      return AppendNumber(static_cast<uint8_t>(value), to);
    case GgufValueType::kInt8:
      return AppendNumber(static_cast<int8_t>(value), to);
    case GgufValueType::kUint16:
      return AppendNumber(static_cast<uint16_t>(value), to);
    case GgufValueType::kInt16:
      return AppendNumber(static_cast<int16_t>(value), to);
    case GgufValueType::kUint32:
      return AppendNumber(static_cast<uint32_t>(value), to);
    case GgufValueType::kInt32:
      return AppendNumber(static_cast<int32_t>(value), to);
    case GgufValueType::kFloat32:
      return AppendNumber(static_cast<float>(value), to);
    case GgufValueType::kBool:
    case GgufValueType::kString:
    case GgufValueType::kArray:
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      break;
  }
  AppendNumber(value, to);
}

GgufValueType TypeOf(std::span<const uint64_t> values, GgufNumbers numbers) {
  const auto max = std::ranges::max_element(values);
  return TypeFor(max == values.end() ? 0 : *max, numbers);
}

GgufValueType TypeOf(std::span<const int64_t> values, GgufNumbers numbers) {
  if (values.empty()) return TypeFor(0, 0, numbers);
  const auto [min, max] = std::ranges::minmax(values);
  return TypeFor(min, max, numbers);
}

GgufValueType TypeOf(std::span<const double> values, GgufNumbers) {
  return std::ranges::all_of(values, IsExactFloat) ? GgufValueType::kFloat32
                                                   : GgufValueType::kFloat64;
}

class ValueAppender {
 public:
  ValueAppender(GgufNumbers numbers, std::string& to)
      : numbers_(numbers), to_(to) {}

  template <typename T>
  void operator()(const T& value) {
    const GgufValueType type = TypeOf(std::span<const T>(&value, 1), numbers_);
    AppendType(type, to_);
    AppendAs(type, value, to_);
  }

  void operator()(const bool& value) {
    AppendType(GgufValueType::kBool, to_);
    AppendNumber(static_cast<uint8_t>(value), to_);
  }

  void operator()(const std::string& value) {
    AppendType(GgufValueType::kString, to_);
    AppendString(value, to_);
  }

  void operator()(const GgufArray& array) {
    AppendType(GgufValueType::kArray, to_);
    std::visit(*this, array);
  }

  template <typename T>
  void operator()(const std::vector<T>& values) {
    const GgufValueType type = TypeOf(std::span<const T>(values), numbers_);
    AppendType(type, to_);
    AppendNumber<uint64_t>(values.size(), to_);
    for (const T value : values) AppendAs(type, value, to_);
  }

  void operator()(const std::vector<bool>& values) {
    AppendType(GgufValueType::kBool, to_);
    AppendNumber<uint64_t>(values.size(), to_);
    for (const bool value : values)
      AppendNumber(static_cast<uint8_t>(value), to_);
  }

  void operator()(const std::vector<std::string>& values) {
    AppendType(GgufValueType::kString, to_);
    AppendNumber<uint64_t>(values.size(), to_);
    for (const std::string& value : values) AppendString(value, to_);
  }

 private:
  GgufNumbers numbers_;
  std::string& to_;
};

bool IsLeftOut(absl::string_view key, absl::string_view prefix) {
  return !prefix.empty() && absl::StartsWith(key, prefix) &&
         key != kGgufAlignmentKey;
}

uint64_t InfoBytes(const GgufTensor& tensor) {
  return sizeof(uint64_t) + tensor.name.size() + sizeof(uint32_t) +
         tensor.dims.size() * sizeof(uint64_t) + sizeof(uint32_t) +
         sizeof(uint64_t);
}

}  // namespace

void AppendGgufValue(const GgufValue& value, GgufNumbers numbers,
                     std::string& to) {
  std::visit(ValueAppender(numbers, to), value);
}

uint64_t AlignmentOf(const GgufMetadata& metadata) {
  const auto found = metadata.find(kGgufAlignmentKey);
  if (found == metadata.end()) return kGgufAlignmentDefault;
  if (const auto* value = std::get_if<int64_t>(&found->second))
    return static_cast<uint64_t>(*value);
  return std::get<uint64_t>(found->second);
}

std::string EncodeGgufHeader(const GgufHeaderContent& content) {
  SHOAL_CHECK(content.metadata != nullptr);
  std::string header(kGgufMagic);
  AppendNumber(content.version, header);
  AppendNumber<uint64_t>(content.tensors.size(), header);
  AppendNumber<uint64_t>(std::ranges::count_if(*content.metadata,
                                               [&](const auto& entry) {
                                                 return !IsLeftOut(
                                                     entry.first,
                                                     content.without_prefix);
                                               }),
                         header);
  for (const auto& [key, value] : *content.metadata) {
    if (IsLeftOut(key, content.without_prefix)) continue;
    AppendString(key, header);
    AppendGgufValue(value, content.numbers, header);
  }

  uint64_t end = header.size();
  for (const GgufTensor& tensor : content.tensors) end += InfoBytes(tensor);
  const uint64_t data_offset =
      base::AlignUp(end, AlignmentOf(*content.metadata));
  const uint64_t base =
      content.offsets == GgufHeaderContent::Offsets::kFileStart ? data_offset
                                                                : 0;
  for (const GgufTensor& tensor : content.tensors) {
    SHOAL_CHECK(tensor.offset >= base, tensor.name);
    AppendString(tensor.name, header);
    AppendNumber(static_cast<uint32_t>(tensor.dims.size()), header);
    for (const uint64_t dim : tensor.dims) AppendNumber(dim, header);
    AppendNumber(static_cast<uint32_t>(tensor.type), header);
    AppendNumber(tensor.offset - base, header);
  }
  if (!content.tensors.empty()) header.resize(data_offset, '\0');
  return header;
}

}  // namespace shoal::model
