#include "memory/store_admin.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/byte_size.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "memory/model_text.h"
#include "memory/slab.h"
#include "memory/store_manifest.h"

namespace shoal::memory {
namespace {

// The layouts that have a journal in a model's folder, with its path.
std::map<uint32_t, std::string> Journals(const std::string& model_directory) {
  std::map<uint32_t, std::string> journals;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(model_directory, error)) {
    const std::string file_name = entry.path().filename().string();
    absl::string_view name = file_name;
    uint32_t layout_id = 0;
    if (absl::ConsumePrefix(&name, "units.") &&
        absl::ConsumeSuffix(&name, ".journal") &&
        absl::SimpleAtoi(name, &layout_id)) {
      journals[layout_id] = entry.path().string();
    }
  }
  return journals;
}

StoreSummary Summarise(const std::filesystem::path& model_directory) {
  StoreSummary summary;
  summary.model_id = model_directory.filename().string();
  summary.model_name = summary.model_id;
  summary.last_used = absl::InfinitePast();
  const absl::StatusOr<ModelText> text =
      ReadModelText((model_directory / "model.txt").string());
  if (text.ok()) {
    summary.model_name = text->name;
    summary.model_bytes = text->bytes;
    summary.last_used = text->last_used;
  }
  for (const auto& [layout_id, path] : Journals(model_directory.string())) {
    const auto units = StoreManifest::Load(path);
    if (units.ok()) summary.unit_count += units->size();
  }
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(model_directory, error)) {
    struct stat info;
    if (stat(entry.path().c_str(), &info) == 0) {
      summary.disk_bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return summary;
}

absl::Status CheckModelExists(const std::string& directory,
                              const std::string& model_id) {
  if (!IsModelId(model_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", model_id, "\" is no model id"));
  }
  std::error_code error;
  if (std::filesystem::is_directory(absl::StrCat(directory, "/", model_id),
                                    error)) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(
      absl::StrCat("the store ", directory, " has no model ", model_id,
                   "; `shoal store list` shows what it has"));
}

absl::Status RemoveFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot remove ", path, ": ", error.message()));
}

absl::Status CheckUnit(BlockFile& file, const StoredUnit& unit, Slab& buffer) {
  const uint64_t padded = base::AlignUp(unit.bytes, kStoreAlignment);
  if (buffer.size() < padded) {
    SHOAL_ASSIGN_OR_RETURN(buffer, Slab::Create(padded));
  }
  SHOAL_RETURN_IF_ERROR(file.ReadAt(unit.offset, buffer.span().first(padded)));
  const uint32_t found = base::Crc32c(buffer.span().first(unit.bytes));
  if (found == unit.crc32c) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(file.path(), ": the checksum of ", unit.bytes, " bytes at ",
                   unit.offset, " is ", absl::Hex(found, absl::kZeroPad8),
                   ", expected ", absl::Hex(unit.crc32c, absl::kZeroPad8)));
}

}  // namespace

absl::StatusOr<std::vector<StoreSummary>> ListStores(
    const std::string& directory) {
  std::vector<StoreSummary> summaries;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    std::error_code entry_error;
    if (entry.is_directory(entry_error) &&
        IsModelId(entry.path().filename().string())) {
      summaries.push_back(Summarise(entry.path()));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat(
        "cannot read the store ", directory, ": ", error.message()));
  }
  std::sort(summaries.begin(), summaries.end(),
            [](const StoreSummary& a, const StoreSummary& b) {
              return std::pair(b.last_used, a.model_id) <
                     std::pair(a.last_used, b.model_id);
            });
  return summaries;
}

absl::StatusOr<std::vector<UnitCheck>> VerifyStore(
    const std::string& directory, const std::string& model_id,
    absl::FunctionRef<void(uint64_t, uint64_t)> progress,
    FileSystem& file_system) {
  SHOAL_RETURN_IF_ERROR(CheckModelExists(directory, model_id));
  const std::string model_directory = absl::StrCat(directory, "/", model_id);
  std::map<uint32_t, std::map<uint32_t, StoredUnit>> layouts;
  uint64_t total = 0;
  for (const auto& [layout_id, path] : Journals(model_directory)) {
    SHOAL_ASSIGN_OR_RETURN(layouts[layout_id], StoreManifest::Load(path));
    for (const auto& [index, unit] : layouts[layout_id]) total += unit.bytes;
  }
  std::vector<UnitCheck> checks;
  Slab buffer;
  uint64_t done = 0;
  progress(0, total);
  for (const auto& [layout_id, units] : layouts) {
    SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<BlockFile> file,
                           file_system.OpenForReading(absl::StrCat(
                               model_directory, "/units.", layout_id, ".bin")));
    for (const auto& [unit_index, unit] : units) {
      checks.push_back({.layout_id = layout_id,
                        .unit_index = unit_index,
                        .offset = unit.offset,
                        .bytes = unit.bytes,
                        .status = CheckUnit(*file, unit, buffer)});
      done += unit.bytes;
      progress(done, total);
    }
  }
  return checks;
}

absl::Status RemoveModel(const std::string& directory,
                         const std::string& model_id,
                         std::shared_ptr<StoreLock> lock) {
  SHOAL_RETURN_IF_ERROR(CheckModelExists(directory, model_id));
  if (lock == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(lock, StoreLock::Acquire(directory));
  }
  if (lock->IsOpen(model_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("model ", model_id, " is in use by this process"));
  }
  return RemoveFolder(absl::StrCat(directory, "/", model_id));
}

absl::StatusOr<GarbageResult> CollectGarbage(const std::string& directory,
                                             uint64_t disk_cap_bytes,
                                             std::shared_ptr<StoreLock> lock) {
  GarbageResult result;
  SHOAL_ASSIGN_OR_RETURN(std::vector<StoreSummary> stores,
                         ListStores(directory));
  if (stores.empty()) return result;
  if (lock == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(lock, StoreLock::Acquire(directory));
  }
  for (const StoreSummary& store : stores) {
    result.disk_bytes += store.disk_bytes;
  }
  while (!stores.empty() && result.disk_bytes > disk_cap_bytes) {
    StoreSummary store = std::move(stores.back());
    stores.pop_back();
    if (lock->IsOpen(store.model_id)) continue;
    SHOAL_RETURN_IF_ERROR(RemoveModel(directory, store.model_id, lock));
    result.disk_bytes -= store.disk_bytes;
    result.removed.push_back(std::move(store));
  }
  return result;
}

}  // namespace shoal::memory
