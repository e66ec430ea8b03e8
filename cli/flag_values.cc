#include "cli/flag_values.h"

#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/byte_size.h"
#include "base/status_macros.h"

namespace shoal::cli {
namespace {

absl::Status WrongNumber(uint64_t min, uint64_t max) {
  return absl::InvalidArgumentError(
      absl::StrCat("it must be a whole number from ", min, " to ", max));
}

}  // namespace

Command::Setter SetText(std::string* to) {
  return [to](const std::string& text) {
    *to = text;
    return absl::OkStatus();
  };
}

Command::Setter AppendText(std::vector<std::string>* to) {
  return [to](const std::string& text) {
    to->push_back(text);
    return absl::OkStatus();
  };
}

Command::Setter SetUint64(uint64_t* to, uint64_t min, uint64_t max) {
  return [=](const std::string& text) {
    uint64_t value = 0;
    if (!absl::SimpleAtoi(text, &value) || value < min || value > max) {
      return WrongNumber(min, max);
    }
    *to = value;
    return absl::OkStatus();
  };
}

Command::Setter SetUint(uint32_t* to, uint64_t min, uint64_t max) {
  return [=](const std::string& text) {
    uint32_t value = 0;
    if (!absl::SimpleAtoi(text, &value) || value < min || value > max) {
      return WrongNumber(min, max);
    }
    *to = value;
    return absl::OkStatus();
  };
}

Command::Setter SetFloat(float* to, double min, double max) {
  return [=](const std::string& text) {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value >= min) || !(value <= max)) {
      return absl::InvalidArgumentError(
          absl::StrCat("it must be a number from ", min, " to ", max));
    }
    *to = static_cast<float>(value);
    return absl::OkStatus();
  };
}

Command::Setter SetBytes(uint64_t* to) {
  return [to](const std::string& text) -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(*to, base::ParseByteSize(text));
    return absl::OkStatus();
  };
}

Command::Setter SetDuration(absl::Duration* to) {
  return [to](const std::string& text) {
    absl::Duration value;
    if (!absl::ParseDuration(text, &value) || value <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError(
          "it must be a time above 0, such as 30s, 500ms or 2m");
    }
    *to = value;
    return absl::OkStatus();
  };
}

Command::Setter SetBytesList(std::vector<uint64_t>* to) {
  return [to](const std::string& text) -> absl::Status {
    to->clear();
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      SHOAL_ASSIGN_OR_RETURN(const uint64_t bytes, base::ParseByteSize(part));
      to->push_back(bytes);
    }
    return absl::OkStatus();
  };
}

Command::Setter SetNumbers(std::vector<double>* to) {
  return [to](const std::string& text) {
    to->clear();
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      double value = 0;
      if (!absl::SimpleAtod(part, &value) || !std::isfinite(value) ||
          value < 0) {
        return absl::InvalidArgumentError(
            "it must be numbers of 0 or more with commas, such as 3,1,1");
      }
      to->push_back(value);
    }
    return absl::OkStatus();
  };
}

Command::Setter SetTokenIds(std::vector<int32_t>* to) {
  return [to](const std::string& text) {
    to->clear();
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      int32_t value = 0;
      if (!absl::SimpleAtoi(part, &value) || value < 0) {
        return absl::InvalidArgumentError(
            "it must be token ids with commas, such as 1,15043");
      }
      to->push_back(value);
    }
    return absl::OkStatus();
  };
}

}  // namespace shoal::cli
