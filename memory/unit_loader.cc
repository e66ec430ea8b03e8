#include "memory/unit_loader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace shoal::memory {

UnitLoader::UnitLoader(Options options, BlockFile& file,
                       std::span<const CacheEntry> entries)
    : options_(std::move(options)),
      file_(file),
      entries_(entries),
      verified_(std::make_unique<std::atomic<bool>[]>(entries.size())) {
  SHOAL_CHECK(options_.clock != nullptr);
  SHOAL_CHECK(options_.read_bytes_max >= kStoreAlignment);
}

void UnitLoader::Load(uint32_t first, std::byte* to,
                      std::span<absl::Status> statuses) {
  uint64_t batch_bytes = 0;
  for (size_t i = 0; i < statuses.size(); ++i) {
    batch_bytes += PaddedBytes(entries_[first + i]);
  }
  const absl::Status together = Read(entries_[first].offset, {to, batch_bytes});
  for (size_t i = 0; i < statuses.size(); ++i) {
    const uint32_t index = first + static_cast<uint32_t>(i);
    const uint64_t bytes = PaddedBytes(entries_[index]);
    statuses[i] = together;
    // One bad sector must not fail the units around it.
    if (!together.ok()) {
      statuses[i] =
          ReadAgain(entries_[index], to, statuses.size() > 1 ? 0 : 1, together);
    }
    if (statuses[i].ok()) statuses[i] = CheckOrRepair(index, to);
    to += bytes;
  }
}

absl::Status UnitLoader::ReadAgain(const CacheEntry& entry, std::byte* to,
                                   int attempts_before, absl::Status failure) {
  for (int attempt = attempts_before; attempt < kReadAttempts; ++attempt) {
    if (attempt > 0 && !absl::IsUnavailable(failure)) break;
    const absl::Status status = Read(entry.offset, {to, PaddedBytes(entry)});
    if (status.ok() && attempt > 0) {
      SHOAL_LOG(kWarning, file_.path(), " unit ", entry.unit_index,
                ": could be read at attempt ", attempt + 1, ": ",
                failure.message());
    }
    if (status.ok()) return status;
    failure = status;
  }
  return failure;
}

absl::Status UnitLoader::Read(uint64_t offset, std::span<std::byte> to) {
  const uint64_t step_bytes =
      options_.read_bytes_max / kStoreAlignment * kStoreAlignment;
  while (!to.empty()) {
    const uint64_t bytes = std::min<uint64_t>(to.size(), step_bytes);
    SHOAL_RETURN_IF_ERROR(file_.ReadAt(offset, to.first(bytes)));
    bytes_read_ += bytes;
    ++read_count_;
    offset += bytes;
    to = to.subspan(bytes);
  }
  return absl::OkStatus();
}

absl::Status UnitLoader::CheckOrRepair(uint32_t index, std::byte* data) {
  const CacheEntry& entry = entries_[index];
  if (!options_.verify_checksums || verified_[index]) return absl::OkStatus();
  if (!ChecksumMatches(entry, data)) {
    SHOAL_RETURN_IF_ERROR(Repair(entry, {data, PaddedBytes(entry)}));
  }
  verified_[index] = true;
  return absl::OkStatus();
}

absl::Status UnitLoader::Repair(const CacheEntry& entry,
                                std::span<std::byte> place) {
  const std::string what =
      absl::StrCat(file_.path(), " unit ", entry.unit_index, " (", entry.bytes,
                   " bytes at ", entry.offset, ")");
  if (options_.repair == nullptr) {
    return absl::DataLossError(absl::StrCat(
        what,
        ": checksum mismatch; `shoal store verify` shows what else is "
        "damaged"));
  }
  base::MutexLock lock(repair_mutex_);
  SHOAL_LOG(kWarning, what, ": checksum mismatch, fetching it again");
  SHOAL_RETURN_IF_ERROR(options_.repair(entry.unit_index));
  SHOAL_RETURN_IF_ERROR(Read(entry.offset, place));
  if (ChecksumMatches(entry, place.data())) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(what,
                   ": checksum mismatch, also after it was fetched again; the "
                   "disk or its memory is failing"));
}

bool UnitLoader::ChecksumMatches(const CacheEntry& entry,
                                 const std::byte* data) {
  const absl::Time start = options_.clock->Now();
  const bool matches =
      base::Crc32c(std::span(data, entry.bytes)) == entry.crc32c;
  checksum_nanoseconds_ +=
      absl::ToInt64Nanoseconds(options_.clock->Now() - start);
  return matches;
}

}  // namespace shoal::memory
