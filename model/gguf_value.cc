#include "model/gguf_value.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf_format.h"

namespace shoal::model {
namespace {

absl::StatusOr<GgufValueType> ReadType(GgufCursor& cursor,
                                       absl::string_view field) {
  const uint64_t at = cursor.offset();
  SHOAL_ASSIGN_OR_RETURN(const uint32_t id, cursor.Read<uint32_t>(field));
  if (id > kGgufValueTypeMax) {
    return cursor.Invalid(
        at, absl::StrCat(field, ": unknown type ", id, "; allowed are 0 to ",
                         kGgufValueTypeMax));
  }
  return static_cast<GgufValueType>(id);
}

absl::StatusOr<bool> ReadBool(GgufCursor& cursor, absl::string_view field) {
  const uint64_t at = cursor.offset();
  SHOAL_ASSIGN_OR_RETURN(const uint8_t value, cursor.Read<uint8_t>(field));
  if (value > 1) {
    return cursor.Invalid(
        at, absl::StrCat(field, ": bool is ", value, "; allowed are 0 and 1"));
  }
  return value == 1;
}

template <typename Stored, typename Kept>
absl::StatusOr<GgufValue> ReadNumber(GgufCursor& cursor,
                                     absl::string_view field) {
  SHOAL_ASSIGN_OR_RETURN(const Stored value, cursor.Read<Stored>(field));
  return GgufValue(static_cast<Kept>(value));
}

template <typename Stored, typename Kept>
absl::StatusOr<GgufValue> ReadNumbers(GgufCursor& cursor, uint64_t count,
                                      absl::string_view field) {
  std::vector<Kept> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(const Stored value, cursor.Read<Stored>(field));
    values.push_back(static_cast<Kept>(value));
  }
  return GgufValue(GgufArray(std::move(values)));
}

absl::StatusOr<GgufValue> ReadBools(GgufCursor& cursor, uint64_t count,
                                    absl::string_view field) {
  std::vector<bool> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(const bool value, ReadBool(cursor, field));
    values.push_back(value);
  }
  return GgufValue(GgufArray(std::move(values)));
}

absl::StatusOr<GgufValue> ReadStrings(GgufCursor& cursor, uint64_t count,
                                      absl::string_view field) {
  std::vector<std::string> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(const absl::string_view value,
                           cursor.ReadString(kGgufStringBytesMax, field));
    values.emplace_back(value);
  }
  return GgufValue(GgufArray(std::move(values)));
}

absl::StatusOr<GgufValue> ReadArray(GgufCursor& cursor,
                                    absl::string_view field) {
  const uint64_t at = cursor.offset();
  SHOAL_ASSIGN_OR_RETURN(
      const GgufValueType type,
      ReadType(cursor, absl::StrCat("element type of ", field)));
  if (type == GgufValueType::kArray) {
    return cursor.Invalid(
        at, absl::StrCat(field,
                         ": an array of arrays; allowed are arrays of "
                         "numbers, bools and strings"));
  }
  SHOAL_ASSIGN_OR_RETURN(
      const uint64_t count,
      cursor.ReadCount(kGgufArrayElementsMax, BytesMinOf(type),
                       absl::StrCat("element count of ", field)));
  switch (type) {
    case GgufValueType::kUint8:
      return ReadNumbers<uint8_t, uint64_t>(cursor, count, field);
    case GgufValueType::kUint16:
      return ReadNumbers<uint16_t, uint64_t>(cursor, count, field);
    case GgufValueType::kUint32:
      return ReadNumbers<uint32_t, uint64_t>(cursor, count, field);
    case GgufValueType::kUint64:
      return ReadNumbers<uint64_t, uint64_t>(cursor, count, field);
    case GgufValueType::kInt8:
      return ReadNumbers<int8_t, int64_t>(cursor, count, field);
    case GgufValueType::kInt16:
      return ReadNumbers<int16_t, int64_t>(cursor, count, field);
    case GgufValueType::kInt32:
      return ReadNumbers<int32_t, int64_t>(cursor, count, field);
    case GgufValueType::kInt64:
      return ReadNumbers<int64_t, int64_t>(cursor, count, field);
    case GgufValueType::kFloat32:
      return ReadNumbers<float, double>(cursor, count, field);
    case GgufValueType::kFloat64:
      return ReadNumbers<double, double>(cursor, count, field);
    case GgufValueType::kBool:
      return ReadBools(cursor, count, field);
    case GgufValueType::kString:
    case GgufValueType::kArray:
      break;
  }
  return ReadStrings(cursor, count, field);
}

}  // namespace

absl::StatusOr<GgufValue> ReadGgufValue(GgufCursor& cursor,
                                        absl::string_view key) {
  const std::string field = absl::StrCat("value of ", Quoted(key));
  SHOAL_ASSIGN_OR_RETURN(const GgufValueType type, ReadType(cursor, field));
  switch (type) {
    case GgufValueType::kUint8:
      return ReadNumber<uint8_t, uint64_t>(cursor, field);
    case GgufValueType::kUint16:
      return ReadNumber<uint16_t, uint64_t>(cursor, field);
    case GgufValueType::kUint32:
      return ReadNumber<uint32_t, uint64_t>(cursor, field);
    case GgufValueType::kUint64:
      return ReadNumber<uint64_t, uint64_t>(cursor, field);
    case GgufValueType::kInt8:
      return ReadNumber<int8_t, int64_t>(cursor, field);
    case GgufValueType::kInt16:
      return ReadNumber<int16_t, int64_t>(cursor, field);
    case GgufValueType::kInt32:
      return ReadNumber<int32_t, int64_t>(cursor, field);
    case GgufValueType::kInt64:
      return ReadNumber<int64_t, int64_t>(cursor, field);
    case GgufValueType::kFloat32:
      return ReadNumber<float, double>(cursor, field);
    case GgufValueType::kFloat64:
      return ReadNumber<double, double>(cursor, field);
    case GgufValueType::kBool: {
      SHOAL_ASSIGN_OR_RETURN(const bool value, ReadBool(cursor, field));
      return GgufValue(value);
    }
    case GgufValueType::kArray:
      return ReadArray(cursor, field);
    case GgufValueType::kString:
      break;
  }
  SHOAL_ASSIGN_OR_RETURN(const absl::string_view text,
                         cursor.ReadString(kGgufStringBytesMax, field));
  return GgufValue(std::string(text));
}

}  // namespace shoal::model
