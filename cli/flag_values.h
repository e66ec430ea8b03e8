// Setters that read the values of flags.

#ifndef SHOAL_CLI_FLAG_VALUES_H_
#define SHOAL_CLI_FLAG_VALUES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "cli/command.h"

namespace shoal::cli {

// All refuse with what is allowed; `to` is borrowed until the parsing ends.
Command::Setter SetText(std::string* to);
Command::Setter AppendText(std::vector<std::string>* to);
Command::Setter SetUint(uint32_t* to, uint64_t min, uint64_t max);
Command::Setter SetUint64(uint64_t* to, uint64_t min, uint64_t max);
Command::Setter SetFloat(float* to, double min, double max);
Command::Setter SetBytes(uint64_t* to);                   // "300MiB"
Command::Setter SetDuration(absl::Duration* to);          // "30s", "2m"
Command::Setter SetBytesList(std::vector<uint64_t>* to);  // "64MiB,32MiB"
Command::Setter SetNumbers(std::vector<double>* to);      // "3,1,0.5"
Command::Setter SetTokenIds(std::vector<int32_t>* to);    // "1,15043"

// One of a few words. Use with Words() for the help and the completion.
template <typename T>
using Choices = std::vector<std::pair<std::string, T>>;

template <typename T>
std::vector<std::string> Words(const Choices<T>& choices) {
  std::vector<std::string> words;
  for (const auto& [word, value] : choices) words.push_back(word);
  return words;
}

template <typename T, typename U>
Command::Setter SetChoice(const Choices<T>& choices, U* to) {
  return [choices, to](const std::string& text) -> absl::Status {
    for (const auto& [word, value] : choices) {
      if (word == text) {
        *to = value;
        return absl::OkStatus();
      }
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "it must be one of ", absl::StrJoin(Words(choices), ", ")));
  };
}

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLAG_VALUES_H_
