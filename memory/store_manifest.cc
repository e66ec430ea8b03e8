#include "memory/store_manifest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace shoal::memory {
namespace {

// Little-endian, like all processors that Shoal runs on (base/crc32c.cc
// asserts it). Header and record have one size; crc32c covers what is before.
struct Header {
  std::array<char, 8> magic = {'S', 'H', 'O', 'A', 'L', 'S', 'T', 'O'};
  uint32_t version = 1;
  uint32_t layout_id = 0;
  uint64_t grid_fingerprint = 0;
  std::array<uint32_t, 5> zero = {};
  uint32_t crc32c = 0;
};

enum RecordKind : uint32_t { kPresent = 1, kGone = 2 };

struct Record {
  uint32_t unit_index = 0;
  uint32_t kind = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t digest_high = 0;
  uint64_t digest_low = 0;
  uint32_t packed_crc32c = 0;
  uint32_t crc32c = 0;
};

constexpr uint64_t kRecordBytes = 48;
static_assert(sizeof(Header) == kRecordBytes);
static_assert(sizeof(Record) == kRecordBytes);
static_assert(offsetof(Header, crc32c) == kRecordBytes - 4);
static_assert(offsetof(Record, crc32c) == kRecordBytes - 4);

template <typename T>
uint32_t ChecksumOf(const T& record) {
  return base::Crc32c(std::as_bytes(std::span(&record, 1))
                          .first(kRecordBytes - sizeof(uint32_t)));
}

Record MakeRecord(uint32_t unit_index, uint32_t kind, const StoredUnit& unit) {
  Record record = {.unit_index = unit_index,
                   .kind = kind,
                   .offset = unit.offset,
                   .bytes = unit.bytes,
                   .digest_high = unit.digest.high,
                   .digest_low = unit.digest.low,
                   .packed_crc32c = unit.crc32c,
                   .crc32c = 0};
  record.crc32c = ChecksumOf(record);
  return record;
}

Header MakeHeader(uint32_t layout_id, uint64_t grid_fingerprint) {
  Header header;
  header.layout_id = layout_id;
  header.grid_fingerprint = grid_fingerprint;
  header.crc32c = ChecksumOf(header);
  return header;
}

struct Journal {
  Header header;
  std::map<uint32_t, StoredUnit> units;
  uint64_t record_count = 0;  // complete ones, replaced and damaged too
};

void Apply(const Record& record, std::map<uint32_t, StoredUnit>& units) {
  if (record.crc32c != ChecksumOf(record)) return;
  units.erase(record.unit_index);
  if (record.kind != kPresent) return;
  units[record.unit_index] = StoredUnit{
      .offset = record.offset,
      .bytes = record.bytes,
      .digest = {.high = record.digest_high, .low = record.digest_low},
      .crc32c = record.packed_crc32c};
}

absl::StatusOr<Journal> ReadJournal(const std::string& path) {
  std::error_code error;
  const uint64_t file_bytes = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    return absl::NotFoundError(absl::StrCat("no journal ", path));
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot read ", path, ": ", error.message()));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<BlockFile> file,
                         OpenBuffered(path));
  Journal journal;
  if (file_bytes >= kRecordBytes) {
    SHOAL_RETURN_IF_ERROR(
        file->ReadAt(0, std::as_writable_bytes(std::span(&journal.header, 1))));
  }
  const Header& header = journal.header;
  if (file_bytes < kRecordBytes || header.magic != Header().magic ||
      header.version != Header().version ||
      header.crc32c != ChecksumOf(header)) {
    return absl::DataLossError(absl::StrCat(
        path, " has no valid header of version ", Header().version));
  }
  journal.record_count = file_bytes / kRecordBytes - 1;
  std::vector<Record> records(1024);
  for (uint64_t done = 0; done < journal.record_count;) {
    const uint64_t count =
        std::min<uint64_t>(records.size(), journal.record_count - done);
    const std::span<Record> part = std::span(records).first(count);
    SHOAL_RETURN_IF_ERROR(
        file->ReadAt((done + 1) * kRecordBytes, std::as_writable_bytes(part)));
    for (const Record& record : part) Apply(record, journal.units);
    done += count;
  }
  return journal;
}

// Writes a journal with these units alone and puts it at `path` in one step.
absl::Status WriteFresh(FileSystem& file_system, const std::string& path,
                        const Header& header,
                        const std::map<uint32_t, StoredUnit>& units) {
  std::vector<Record> records;
  for (const auto& [index, unit] : units) {
    records.push_back(MakeRecord(index, kPresent, unit));
  }
  const std::string temporary = absl::StrCat(path, ".new");
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                         file_system.OpenForWriting(temporary));
  SHOAL_RETURN_IF_ERROR(file->Resize(0));
  SHOAL_RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(&header, 1))));
  SHOAL_RETURN_IF_ERROR(
      file->WriteAt(kRecordBytes, std::as_bytes(std::span(records))));
  SHOAL_RETURN_IF_ERROR(file->Sync());
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot rename ", temporary, ": ", error.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreManifest>> StoreManifest::Open(
    FileSystem& file_system, const std::string& path, uint32_t layout_id,
    uint64_t grid_fingerprint) {
  const Header wanted = MakeHeader(layout_id, grid_fingerprint);
  absl::StatusOr<Journal> journal = ReadJournal(path);
  if (!journal.ok() && !absl::IsNotFound(journal.status()) &&
      !absl::IsDataLoss(journal.status())) {
    return journal.status();
  }
  if (absl::IsDataLoss(journal.status())) {
    SHOAL_LOG(kWarning, journal.status().message(), ": starting it anew");
  }
  const bool usable = journal.ok() && journal->header.crc32c == wanted.crc32c;
  if (!usable) journal = Journal();
  // What was replaced is left out from time to time, so that it cannot grow
  // without end.
  const uint64_t record_count_max = 4 * journal->units.size() + 1024;
  if (!usable || journal->record_count > record_count_max) {
    SHOAL_RETURN_IF_ERROR(
        WriteFresh(file_system, path, wanted, journal->units));
    journal->record_count = journal->units.size();
  }
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                         file_system.OpenForWriting(path));
  return std::unique_ptr<StoreManifest>(new StoreManifest(
      std::move(file), (1 + journal->record_count) * kRecordBytes,
      std::move(journal->units)));
}

absl::StatusOr<std::map<uint32_t, StoredUnit>> StoreManifest::Load(
    const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(Journal journal, ReadJournal(path));
  return std::move(journal.units);
}

StoreManifest::StoreManifest(std::unique_ptr<WritableFile> file, uint64_t end,
                             std::map<uint32_t, StoredUnit> units)
    : file_(std::move(file)), end_(end), units_(std::move(units)) {}

absl::Status StoreManifest::Add(uint32_t unit_index, const StoredUnit& unit) {
  SHOAL_RETURN_IF_ERROR(Append(unit_index, kPresent, unit));
  units_[unit_index] = unit;
  return absl::OkStatus();
}

absl::Status StoreManifest::Remove(uint32_t unit_index) {
  SHOAL_RETURN_IF_ERROR(Append(unit_index, kGone, StoredUnit()));
  units_.erase(unit_index);
  return absl::OkStatus();
}

absl::Status StoreManifest::Sync() { return file_->Sync(); }

absl::Status StoreManifest::Append(uint32_t unit_index, uint32_t kind,
                                   const StoredUnit& unit) {
  const Record record = MakeRecord(unit_index, kind, unit);
  SHOAL_RETURN_IF_ERROR(
      file_->WriteAt(end_, std::as_bytes(std::span(&record, 1))));
  end_ += kRecordBytes;
  return absl::OkStatus();
}

}  // namespace shoal::memory
