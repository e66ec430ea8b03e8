#include "parallel/pass.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::parallel {
namespace {

// Little-endian: epoch u64, number u64, row count u32, then the rows, each
// five u32 in the order of PassRow's fields.
constexpr size_t kHeaderBytes = 20;
constexpr size_t kRowBytes = 20;

template <typename T>
void Put(T value, std::vector<std::byte>& to) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    to.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

// REQUIRES: enough bytes are left.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T Get() {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value |= static_cast<T>(bytes_[i]) << (8 * i);
    }
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
};

absl::Status CheckRow(const PassRow& row, size_t index,
                      uint32_t position_count_max) {
  const auto wrong = [&](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pass: row ", index, " (session ", row.session, ")", what...));
  };
  if (row.token_count == 0) return wrong(" has no tokens");
  const uint64_t end = uint64_t{row.first_position} + row.token_count;
  if (end > position_count_max) {
    return wrong(" goes up to position ", end - 1, "; the context has ",
                 position_count_max);
  }
  if (row.truncate_to != row.first_position) {
    return wrong(" cuts the KV to ", row.truncate_to, " but begins at ",
                 row.first_position, "; the two must be equal");
  }
  if (row.logits_count > row.token_count) {
    return wrong(" wants logits of ", row.logits_count, " of its ",
                 row.token_count, " tokens");
  }
  return absl::OkStatus();
}

}  // namespace

uint32_t Pass::token_count() const {
  uint32_t count = 0;
  for (const PassRow& row : rows) count += row.token_count;
  return count;
}

uint32_t Pass::logits_count() const {
  uint32_t count = 0;
  for (const PassRow& row : rows) count += row.logits_count;
  return count;
}

std::vector<std::byte> EncodePass(const Pass& pass,
                                  std::vector<std::byte> bytes) {
  bytes.clear();
  bytes.reserve(kHeaderBytes + pass.rows.size() * kRowBytes);
  Put(pass.epoch, bytes);
  Put(pass.number, bytes);
  Put(static_cast<uint32_t>(pass.rows.size()), bytes);
  for (const PassRow& row : pass.rows) {
    Put(row.session, bytes);
    Put(row.first_position, bytes);
    Put(row.token_count, bytes);
    Put(row.truncate_to, bytes);
    Put(row.logits_count, bytes);
  }
  return bytes;
}

absl::StatusOr<Pass> DecodePass(std::span<const std::byte> bytes,
                                uint32_t token_count_max,
                                uint32_t position_count_max, Pass pass) {
  if (bytes.size() < kHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("pass: ", bytes.size(), " bytes; a descriptor has at ",
                     "least ", kHeaderBytes));
  }
  Reader reader(bytes);
  pass.rows.clear();
  pass.epoch = reader.Get<uint64_t>();
  pass.number = reader.Get<uint64_t>();
  const auto row_count = reader.Get<uint32_t>();
  if (row_count == 0 || row_count > kPassRowCountMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pass: ", row_count, " rows; allowed: 1 to ", kPassRowCountMax));
  }
  if (bytes.size() != kHeaderBytes + row_count * kRowBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("pass: ", bytes.size(), " bytes; ", row_count,
                     " rows take ", kHeaderBytes + row_count * kRowBytes));
  }
  uint64_t token_count = 0;
  for (size_t i = 0; i < row_count; ++i) {
    PassRow row;
    row.session = reader.Get<uint32_t>();
    row.first_position = reader.Get<uint32_t>();
    row.token_count = reader.Get<uint32_t>();
    row.truncate_to = reader.Get<uint32_t>();
    row.logits_count = reader.Get<uint32_t>();
    SHOAL_RETURN_IF_ERROR(CheckRow(row, i, position_count_max));
    token_count += row.token_count;
    pass.rows.push_back(row);
  }
  if (token_count > token_count_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pass: ", token_count, " tokens; the plan allows ", token_count_max));
  }
  return pass;
}

}  // namespace shoal::parallel
