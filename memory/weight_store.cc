#include "memory/weight_store.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "memory/model_text.h"
#include "memory/store_admin.h"

namespace shoal::memory {
namespace {

// Two lists of units with one fingerprint have the same units at the same
// places.
uint64_t FingerprintOf(const std::vector<base::UnitSpec>& units) {
  base::DigestBuilder digest;
  for (const base::UnitSpec& unit : units) {
    const uint64_t fields[] = {
        unit.id.layer,  unit.id.phase, static_cast<uint64_t>(unit.id.kind),
        unit.id.expert, unit.id.index, unit.bytes};
    digest.Add(std::as_bytes(std::span(fields)));
  }
  return digest.Finish().low;
}

std::string UnitsPath(const std::string& model_directory, uint32_t layout_id) {
  return absl::StrCat(model_directory, "/units.", layout_id, ".bin");
}

std::string JournalPath(const std::string& model_directory,
                        uint32_t layout_id) {
  return absl::StrCat(model_directory, "/units.", layout_id, ".journal");
}

uint64_t DiskBytesOf(const std::vector<StoreSummary>& stores) {
  uint64_t bytes = 0;
  for (const StoreSummary& store : stores) bytes += store.disk_bytes;
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightStore>> WeightStore::Open(Options options,
                                                               StoreKey key) {
  if (!IsModelId(key.model_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key.model_id,
                     "\" is no model id: expected 1 to 128 letters, "
                     "digits, '-', '_' and '.'"));
  }
  if (key.units.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model ", key.model_id, " has no units"));
  }
  if (options.file_system == nullptr) {
    options.file_system = &FileSystem::Real();
  }
  if (options.clock == nullptr) options.clock = &base::Clock::Real();
  if (options.lock == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(options.lock, StoreLock::Acquire(options.directory));
  }
  if (!options.lock->AddOpenModel(key.model_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store of model ", key.model_id, " in ",
                     options.directory, " is open in this process already"));
  }
  std::unique_ptr<WeightStore> store(
      new WeightStore(std::move(options), std::move(key)));
  base::MutexLock lock(store->mutex_);
  SHOAL_RETURN_IF_ERROR(store->OpenFiles());
  return store;
}

WeightStore::WeightStore(Options options, StoreKey key)
    : options_(std::move(options)),
      key_(std::move(key)),
      model_directory_(absl::StrCat(options_.directory, "/", key_.model_id)),
      units_path_(UnitsPath(model_directory_, key_.layout_id)),
      grid_fingerprint_(FingerprintOf(key_.units)) {
  offsets_.push_back(0);
  for (const base::UnitSpec& unit : key_.units) {
    SHOAL_CHECK(unit.bytes > 0, ToString(unit.id), " has no bytes");
    offsets_.push_back(offsets_.back() +
                       base::AlignUp(unit.bytes, kStoreAlignment));
  }
}

WeightStore::~WeightStore() { options_.lock->RemoveOpenModel(key_.model_id); }

absl::Status WeightStore::OpenFiles() {
  std::error_code error;
  std::filesystem::create_directories(model_directory_, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", model_directory_, ": ", error.message()));
  }
  const std::string journal = JournalPath(model_directory_, key_.layout_id);
  // A journal without its units would promise what is not there.
  if (!std::filesystem::exists(units_path_, error)) {
    std::filesystem::remove(journal, error);
  }
  FileSystem& files = *options_.file_system;
  SHOAL_ASSIGN_OR_RETURN(file_, files.OpenForWriting(units_path_));
  SHOAL_RETURN_IF_ERROR(file_->Resize(offsets_.back()));
  SHOAL_ASSIGN_OR_RETURN(
      manifest_,
      StoreManifest::Open(files, journal, key_.layout_id, grid_fingerprint_));
  for (const auto& [index, unit] : manifest_->units()) {
    // The fingerprint makes this our own promise.
    SHOAL_CHECK(index < unit_count() && unit.offset == OffsetOf(index) &&
                unit.bytes == BytesOf(index));
    stored_bytes_ += PlaceBytes(index);
  }
  SHOAL_RETURN_IF_ERROR(WriteModelInfo());
  SHOAL_ASSIGN_OR_RETURN(const std::vector<StoreSummary> stores,
                         ListStores(options_.directory));
  directory_bytes_ = DiskBytesOf(stores);
  return absl::OkStatus();
}

absl::Status WeightStore::WriteModelInfo() {
  ModelText text;
  text.name = key_.model_name;
  for (const base::UnitSpec& unit : key_.units) text.bytes += unit.bytes;
  text.last_used = options_.clock->Now();
  return WriteModelText(absl::StrCat(model_directory_, "/model.txt"), text);
}

uint32_t WeightStore::unit_count() const {
  return static_cast<uint32_t>(key_.units.size());
}

uint64_t WeightStore::OffsetOf(uint32_t unit_index) const {
  SHOAL_CHECK(unit_index < unit_count(), "unit ", unit_index);
  return offsets_[unit_index];
}

uint64_t WeightStore::BytesOf(uint32_t unit_index) const {
  SHOAL_CHECK(unit_index < unit_count(), "unit ", unit_index);
  return key_.units[unit_index].bytes;
}

uint64_t WeightStore::PlaceBytes(uint32_t unit_index) const {
  return offsets_[unit_index + 1] - offsets_[unit_index];
}

std::optional<base::Digest> WeightStore::DigestOf(uint32_t unit_index) const {
  SHOAL_CHECK(unit_index < unit_count(), "unit ", unit_index);
  base::MutexLock lock(mutex_);
  const auto found = manifest_->units().find(unit_index);
  if (found == manifest_->units().end()) return std::nullopt;
  return found->second.digest;
}

uint32_t WeightStore::Crc32cOf(uint32_t unit_index) const {
  base::MutexLock lock(mutex_);
  const auto found = manifest_->units().find(unit_index);
  SHOAL_CHECK(found != manifest_->units().end(), "unit ", unit_index,
              " is absent");
  return found->second.crc32c;
}

absl::Status WeightStore::Write(uint32_t unit_index, const base::Digest& digest,
                                std::span<const std::byte> packed) {
  SHOAL_CHECK(packed.size() == BytesOf(unit_index), "unit ", unit_index, ": ",
              packed.size(), " bytes, expected ", BytesOf(unit_index));
  base::MutexLock lock(mutex_);
  if (manifest_->units().contains(unit_index)) {
    SHOAL_RETURN_IF_ERROR(ForgetLocked(unit_index));
  }
  SHOAL_RETURN_IF_ERROR(MakeRoom(PlaceBytes(unit_index)));
  absl::Status written = file_->WriteAt(OffsetOf(unit_index), packed);
  if (written.ok()) {
    written.Update(
        manifest_->Add(unit_index, {.offset = OffsetOf(unit_index),
                                    .bytes = packed.size(),
                                    .digest = digest,
                                    .crc32c = base::Crc32c(packed)}));
  }
  if (!written.ok()) {
    file_->PunchHole(OffsetOf(unit_index), PlaceBytes(unit_index));
    return Explain(written, unit_index);
  }
  stored_bytes_ += PlaceBytes(unit_index);
  directory_bytes_ += PlaceBytes(unit_index);
  return absl::OkStatus();
}

// Adds the numbers to the message of a disk that is full.
absl::Status WeightStore::Explain(const absl::Status& status,
                                  uint32_t unit_index) const {
  if (!absl::IsResourceExhausted(status)) return status;
  const absl::StatusOr<uint64_t> free =
      options_.file_system->FreeBytes(options_.directory);
  return absl::ResourceExhaustedError(absl::StrCat(
      "the disk of ", options_.directory, " is full: unit ", unit_index, " (",
      ToString(key_.units[unit_index].id), ") takes ", PlaceBytes(unit_index),
      " bytes, ", free.ok() ? absl::StrCat(*free) : "an unknown count of",
      " bytes are free; free some, or give a store on another disk (",
      status.message(), ")"));
}

absl::Status WeightStore::MakeRoom(uint64_t bytes) {
  const uint64_t cap = options_.disk_cap_bytes;
  if (directory_bytes_ + bytes <= cap) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(std::vector<StoreSummary> others,
                         ListStores(options_.directory));
  std::erase_if(others, [this](const StoreSummary& store) {
    return options_.lock->IsOpen(store.model_id);
  });
  if (directory_bytes_ + bytes > cap + DiskBytesOf(others)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "disk_cap of ", base::FormatByteSize(cap), " is too small for model ",
        key_.model_name, " in ", options_.directory, ": ", directory_bytes_,
        " bytes are taken (", stored_bytes_, " by this model's units), ", bytes,
        " more are needed, and unused models would give ", DiskBytesOf(others),
        "; raise disk_cap"));
  }
  // The least recently used comes last.
  while (directory_bytes_ + bytes > cap && !others.empty()) {
    SHOAL_LOG(kInfo, "disk_cap: removing model ", others.back().model_name,
              " from the store ", options_.directory);
    SHOAL_RETURN_IF_ERROR(
        RemoveModel(options_.directory, others.back().model_id, options_.lock));
    directory_bytes_ -= std::min(directory_bytes_, others.back().disk_bytes);
    others.pop_back();
  }
  return absl::OkStatus();
}

absl::Status WeightStore::Forget(uint32_t unit_index) {
  SHOAL_CHECK(unit_index < unit_count(), "unit ", unit_index);
  base::MutexLock lock(mutex_);
  if (!manifest_->units().contains(unit_index)) return absl::OkStatus();
  return ForgetLocked(unit_index);
}

absl::Status WeightStore::ForgetLocked(uint32_t unit_index) {
  SHOAL_RETURN_IF_ERROR(manifest_->Remove(unit_index));
  stored_bytes_ -= PlaceBytes(unit_index);
  if (file_->PunchHole(OffsetOf(unit_index), PlaceBytes(unit_index))) {
    directory_bytes_ -= std::min(directory_bytes_, PlaceBytes(unit_index));
  }
  return absl::OkStatus();
}

absl::Status WeightStore::Sync() {
  base::MutexLock lock(mutex_);
  SHOAL_RETURN_IF_ERROR(file_->Sync());
  SHOAL_RETURN_IF_ERROR(manifest_->Sync());
  return WriteModelInfo();
}

absl::StatusOr<std::unique_ptr<BlockFile>> WeightStore::OpenUnits() {
  return options_.file_system->OpenForReading(units_path_);
}

uint64_t WeightStore::stored_bytes() const {
  base::MutexLock lock(mutex_);
  return stored_bytes_;
}

}  // namespace shoal::memory
