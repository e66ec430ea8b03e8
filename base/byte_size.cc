#include "base/byte_size.h"

#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::base {
namespace {

constexpr std::array<std::pair<absl::string_view, double>, 15> kUnits = {{
    {"", 1},
    {"b", 1},
    {"k", 0x1p10},
    {"kib", 0x1p10},
    {"kb", 1e3},
    {"m", 0x1p20},
    {"mib", 0x1p20},
    {"mb", 1e6},
    {"g", 0x1p30},
    {"gib", 0x1p30},
    {"gb", 1e9},
    {"t", 0x1p40},
    {"tib", 0x1p40},
    {"tb", 1e12},
    {"bytes", 1},
}};

}  // namespace

absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text) {
  const std::string lower =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  const size_t number_end = lower.find_first_not_of("0123456789.");
  const std::string number = lower.substr(0, number_end);
  std::string unit;
  if (number_end != std::string::npos) {
    unit = std::string(
        absl::StripLeadingAsciiWhitespace(lower.substr(number_end)));
  }
  uint64_t integer = 0;
  if (unit.empty() && absl::SimpleAtoi(number, &integer) &&
      integer <= INT64_MAX) {
    return integer;  // exact, also above 2^53
  }
  double value = 0;
  if (!number.empty() && absl::SimpleAtod(number, &value)) {
    for (const auto& [name, factor] : kUnits) {
      if (unit != name) continue;
      const double bytes = std::floor(value * factor);
      if (bytes < 0x1p63) return static_cast<uint64_t>(bytes);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text,
                   "\" is not a size; write 300MiB, 1.5GiB or a "
                   "number of bytes"));
}

std::string FormatByteSize(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kNames = {"B", "KiB", "MiB",
                                                        "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  const bool whole = std::abs(value - std::round(value)) < 0.05;
  return absl::StrFormat("%.*f %s", whole ? 0 : 1, value, kNames[unit]);
}

}  // namespace shoal::base
