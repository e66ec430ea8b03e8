#include "health/system_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace shoal::health {
namespace {

constexpr size_t kTextBytesMax = size_t{1} << 20;

}  // namespace

SystemFiles::SystemFiles(absl::string_view root)
    : root_(absl::StripSuffix(root, "/")) {}

std::string SystemFiles::PathOf(absl::string_view path) const {
  return absl::StrCat(root_, path);
}

std::optional<std::string> SystemFiles::Text(absl::string_view path) const {
  std::ifstream file(PathOf(path));
  if (!file) return std::nullopt;
  std::string text(kTextBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // Some files of /sys can be opened, and reading them fails.
  if (file.bad()) return std::nullopt;
  text.resize(static_cast<size_t>(file.gcount()));
  absl::StripTrailingAsciiWhitespace(&text);
  return text;
}

std::optional<int64_t> SystemFiles::Number(absl::string_view path) const {
  const std::optional<std::string> text = Text(path);
  int64_t number = 0;
  if (!text || !absl::SimpleAtoi(*text, &number)) return std::nullopt;
  return number;
}

bool SystemFiles::Exists(absl::string_view path) const {
  std::error_code error;
  return std::filesystem::exists(PathOf(path), error);
}

std::vector<std::string> SystemFiles::List(absl::string_view folder) const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(PathOf(folder), error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace shoal::health
