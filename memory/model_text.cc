#include "memory/model_text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace shoal::memory {
namespace {

constexpr size_t kModelIdCharsMax = 128;
constexpr size_t kTextBytesMax = 64 * 1024;

}  // namespace

bool IsModelId(absl::string_view model_id) {
  return !model_id.empty() && model_id.size() <= kModelIdCharsMax &&
         model_id[0] != '.' &&
         std::all_of(model_id.begin(), model_id.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '-' || c == '_' || c == '.';
         });
}

absl::Status WriteModelText(const std::string& path, const ModelText& text) {
  const std::string temporary = absl::StrCat(path, ".new");
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << "name: " << absl::StrReplaceAll(text.name, {{"\n", " "}})
         << "\nbytes: " << text.bytes << "\nlast_used: "
         << absl::FormatTime(absl::RFC3339_full, text.last_used,
                             absl::UTCTimeZone())
         << "\n";
    file.flush();
    if (!file) {
      return absl::UnavailableError(absl::StrCat("cannot write ", temporary));
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot rename ", temporary, ": ", error.message()));
}

absl::StatusOr<ModelText> ReadModelText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("no file ", path));
  std::string content(kTextBytesMax, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<size_t>(file.gcount()));

  ModelText text;
  bool has_bytes = false;
  bool has_time = false;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    if (absl::ConsumePrefix(&line, "name: ")) {
      text.name = std::string(line);
    } else if (absl::ConsumePrefix(&line, "bytes: ")) {
      has_bytes = absl::SimpleAtoi(line, &text.bytes);
    } else if (absl::ConsumePrefix(&line, "last_used: ")) {
      has_time =
          absl::ParseTime(absl::RFC3339_full, line, &text.last_used, nullptr);
    }
  }
  if (has_bytes && has_time) return text;
  return absl::DataLossError(
      absl::StrCat(path, " lacks a valid \"bytes\" or \"last_used\" line"));
}

}  // namespace shoal::memory
