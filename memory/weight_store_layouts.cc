// The part of WeightStore that moves units from one layout to another.

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "memory/slab.h"
#include "memory/weight_store.h"

namespace shoal::memory {

std::vector<uint32_t> WeightStore::OtherLayouts() const {
  std::vector<uint32_t> layouts;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(model_directory_, error)) {
    const std::string file_name = entry.path().filename().string();
    absl::string_view name = file_name;
    uint32_t layout_id = 0;
    if (absl::ConsumePrefix(&name, "units.") &&
        absl::ConsumeSuffix(&name, ".journal") &&
        absl::SimpleAtoi(name, &layout_id) && layout_id != key_.layout_id) {
      layouts.push_back(layout_id);
    }
  }
  return layouts;
}

absl::Status WeightStore::TakeUnitsOf(uint32_t layout_id, TakeUnit take) {
  const std::string stem = absl::StrCat(model_directory_, "/units.", layout_id);
  FileSystem& files = *options_.file_system;
  SHOAL_ASSIGN_OR_RETURN(
      const std::unique_ptr<StoreManifest> other,
      StoreManifest::Open(files, absl::StrCat(stem, ".journal"), layout_id,
                          grid_fingerprint_));
  if (!other->units().empty()) {
    SHOAL_RETURN_IF_ERROR(TakeUnits(*other, absl::StrCat(stem, ".bin"), take));
  }
  std::error_code error;
  std::filesystem::remove(absl::StrCat(stem, ".bin"), error);
  std::filesystem::remove(absl::StrCat(stem, ".journal"), error);
  return absl::OkStatus();
}

absl::Status WeightStore::TakeUnits(StoreManifest& other,
                                    const std::string& path, TakeUnit take) {
  FileSystem& files = *options_.file_system;
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<BlockFile> from,
                         files.OpenForReading(path));
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> writable,
                         files.OpenForWriting(path));
  Slab buffer;
  const std::map<uint32_t, StoredUnit> units = other.units();
  for (const auto& [index, unit] : units) {
    const uint64_t place_bytes = PlaceBytes(index);
    if (!DigestOf(index).has_value()) {
      if (buffer.size() < place_bytes) {
        SHOAL_ASSIGN_OR_RETURN(buffer, Slab::Create(place_bytes));
      }
      const auto packed = buffer.span().first(unit.bytes);
      SHOAL_RETURN_IF_ERROR(
          from->ReadAt(unit.offset, buffer.span().first(place_bytes)));
      if (base::Crc32c(packed) == unit.crc32c) {
        SHOAL_RETURN_IF_ERROR(take(index, unit.digest, packed));
      } else {
        SHOAL_LOG(kWarning, path, " unit ", index,
                  ": checksum mismatch; it will be fetched again");
      }
    }
    SHOAL_RETURN_IF_ERROR(other.Remove(index));
    if (writable->PunchHole(unit.offset, place_bytes)) {
      base::MutexLock lock(mutex_);
      directory_bytes_ -= std::min(directory_bytes_, place_bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::memory
