#include "memory/weight_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace shoal::memory {
namespace {

WeightCache::Options WithClock(WeightCache::Options options) {
  if (options.clock == nullptr) options.clock = &base::Clock::Real();
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightCache>> WeightCache::Create(
    Options options, BlockFile& file, std::vector<CacheEntry> entries) {
  for (const CacheEntry& entry : entries) {
    SHOAL_CHECK(entry.bytes > 0 && entry.offset % kStoreAlignment == 0, "unit ",
                entry.unit_index, " has ", entry.bytes, " bytes at ",
                entry.offset);
  }
  std::unique_ptr<WeightCache> cache(
      new WeightCache(WithClock(std::move(options)), file, std::move(entries)));
  std::vector<bool> resident;
  uint64_t bytes = 0;
  for (const CacheEntry& entry : cache->entries_) {
    resident.push_back(entry.resident);
    if (entry.resident) bytes += PaddedBytes(entry);
  }
  const uint64_t bytes_max =
      std::max(bytes, cache->options_.resident_bytes_max);
  SHOAL_ASSIGN_OR_RETURN(cache->residents_, Slab::Create(bytes, bytes_max));
  SHOAL_RETURN_IF_ERROR(cache->LoadResidents(resident));
  SHOAL_RETURN_IF_ERROR(cache->StartStreams(cache->options_.window_bytes));
  return cache;
}

WeightCache::WeightCache(Options options, BlockFile& file,
                         std::vector<CacheEntry> entries)
    : options_(std::move(options)),
      entries_(std::move(entries)),
      loader_({.read_bytes_max = options_.read_bytes_max,
               .verify_checksums = options_.verify_checksums,
               .clock = options_.clock,
               .repair = options_.repair},
              file, entries_),
      resident_data_(entries_.size(), nullptr) {}

WeightCache::~WeightCache() = default;

absl::Status WeightCache::LoadResidents(const std::vector<bool>& wanted) {
  const auto comes = [&](uint32_t i) {
    return wanted[i] && resident_data_[i] == nullptr;
  };
  uint64_t bytes_after = resident_bytes_;
  for (uint32_t i = 0; i < entry_count(); ++i) {
    if (comes(i)) bytes_after += PaddedBytes(entries_[i]);
  }
  bytes_after = std::min(bytes_after, residents_.size_max());
  residents_.Resize(bytes_after);
  const uint64_t bytes_read_before = loader_.bytes_read();
  const uint64_t read_count_before = loader_.read_count();
  absl::Status status;
  std::vector<absl::Status> statuses;
  for (uint32_t first = 0; status.ok() && first < entry_count();) {
    if (!comes(first)) {
      ++first;
      continue;
    }
    // A run of residents that lie behind each other is read together.
    uint32_t end = first;
    uint64_t bytes = 0;
    while (end < entry_count() && comes(end) &&
           entries_[end].offset == entries_[first].offset + bytes &&
           bytes + PaddedBytes(entries_[end]) <=
               bytes_after - resident_bytes_) {
      bytes += PaddedBytes(entries_[end++]);
    }
    if (end == first) break;
    std::byte* const run = residents_.data() + resident_bytes_;
    statuses.assign(end - first, absl::OkStatus());
    loader_.Load(first, run, statuses);
    for (const absl::Status& one : statuses) status.Update(one);
    if (!status.ok()) break;
    for (const std::byte* data = run; first < end; ++first) {
      resident_data_[first] = data;
      data += PaddedBytes(entries_[first]);
    }
    resident_bytes_ += bytes;
  }
  residents_.Resize(resident_bytes_);
  load_bytes_ += loader_.bytes_read() - bytes_read_before;
  load_read_count_ += loader_.read_count() - read_count_before;
  return status;
}

void WeightCache::DropResidents(const std::vector<bool>& keep) {
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < entry_count(); ++i) {
    if (resident_data_[i] == nullptr) continue;
    if (keep[i]) {
      kept.push_back(i);
    } else {
      resident_data_[i] = nullptr;
    }
  }
  // By place, so that none is moved onto one that is still to be moved.
  std::sort(kept.begin(), kept.end(), [this](uint32_t a, uint32_t b) {
    return resident_data_[a] < resident_data_[b];
  });
  std::byte* to = residents_.data();
  for (const uint32_t i : kept) {
    const uint64_t bytes = PaddedBytes(entries_[i]);
    if (to != resident_data_[i]) std::memmove(to, resident_data_[i], bytes);
    resident_data_[i] = to;
    to += bytes;
  }
  resident_bytes_ = static_cast<uint64_t>(to - residents_.data());
  residents_.Resize(resident_bytes_);
}

absl::Status WeightCache::StartStreams(uint64_t window_bytes) {
  std::vector<uint32_t> streamed;
  uint64_t largest_routed = 0;
  uint32_t routed_count = 0;
  streamed_bytes_ = 0;
  for (uint32_t i = 0; i < entry_count(); ++i) {
    const CacheEntry& entry = entries_[i];
    if (is_resident(i)) continue;
    if (entry.routed) {
      largest_routed = std::max(largest_routed, entry.bytes);
      ++routed_count;
      continue;
    }
    streamed.push_back(i);
    streamed_bytes_ += PaddedBytes(entry);
  }
  if (largest_routed > 0) {
    SHOAL_ASSIGN_OR_RETURN(
        routed_, RoutedUnits::Create(loader_, *options_.clock, largest_routed,
                                     routed_count));
  }
  if (streamed.empty()) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(
      window_,
      StreamWindow::Create({.window_bytes = window_bytes,
                            .read_bytes_max = options_.read_bytes_max,
                            .reads_in_flight = options_.reads_in_flight,
                            .clock = options_.clock},
                           loader_, entries_, std::move(streamed)));
  return absl::OkStatus();
}

absl::Status WeightCache::ChangeResidents(const std::vector<bool>& resident,
                                          uint64_t window_bytes) {
  SHOAL_CHECK(resident.size() == entry_count());
  stall_before_ = counters().stall;
  window_.reset();
  routed_.reset();
  DropResidents(resident);
  // What cannot be read now is read, or fails, when a pass comes to it.
  if (absl::Status read = LoadResidents(resident); !read.ok()) {
    SHOAL_LOG(kWarning, "not kept in memory: ", read.message());
  }
  // Without a window planned, those that did not come have left room for one.
  for (uint32_t i = 0; i < entry_count(); ++i) {
    if (is_resident(i) || !resident[i] || entries_[i].routed) continue;
    window_bytes = std::max(window_bytes, PaddedBytes(entries_[i]));
  }
  return StartStreams(window_bytes);
}

absl::StatusOr<uint32_t> WeightCache::Acquire(uint32_t first,
                                              uint32_t count_max,
                                              std::span<const std::byte*> data,
                                              absl::Time deadline) {
  SHOAL_CHECK(
      first < entry_count() && count_max > 0 && count_max <= data.size(),
      "entry ", first, " of ", entry_count(), ", ", count_max, " of ",
      data.size());
  data[0] = resident_data_[first];
  if (data[0] == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(data[0], window_->Take(first, deadline));
  }
  uint32_t count = 1;
  while (count < count_max && first + count < entry_count()) {
    const uint32_t index = first + count;
    data[count] = resident_data_[index];
    if (data[count] == nullptr) data[count] = window_->TakeIfReady(index);
    if (data[count] == nullptr) break;
    ++count;
  }
  uint64_t streamed = 0;
  for (uint32_t i = first; i < first + count; ++i) {
    if (resident_data_[i] == nullptr) {
      streamed += base::AlignUp(entries_[i].bytes, kStoreAlignment);
    }
  }
  consumed_bytes_ += streamed;
  return count;
}

void WeightCache::Release(uint32_t first, uint32_t count) {
  SHOAL_CHECK(first + uint64_t{count} <= entry_count());
  for (uint32_t i = first; i < first + count; ++i) {
    if (resident_data_[i] == nullptr) window_->Release(i);
  }
}

void WeightCache::RequestRouted(std::span<const uint32_t> entries) {
  if (routed_ == nullptr) return;
  requested_.clear();
  for (const uint32_t entry : entries) {
    if (resident_data_[entry] == nullptr) requested_.push_back(entry);
  }
  routed_->Request(requested_);
}

absl::StatusOr<const std::byte*> WeightCache::AcquireRouted(
    uint32_t entry, absl::Time deadline) {
  SHOAL_CHECK(entry < entry_count() && entries_[entry].routed, entry);
  if (resident_data_[entry] != nullptr) return resident_data_[entry];
  SHOAL_ASSIGN_OR_RETURN(const std::byte* data, routed_->Take(entry, deadline));
  consumed_bytes_ += PaddedBytes(entries_[entry]);
  return data;
}

void WeightCache::Skip(uint32_t first, uint32_t count) {
  SHOAL_CHECK(first + uint64_t{count} <= entry_count());
  for (uint32_t i = first; i < first + count; ++i) {
    if (resident_data_[i] == nullptr) window_->Skip(i);
  }
}

void WeightCache::Restart() {
  if (window_ != nullptr) window_->Restart();
}

CacheCounters WeightCache::counters() const {
  CacheCounters counters;
  counters.load_bytes = load_bytes_;
  counters.bytes_read = loader_.bytes_read() - load_bytes_;
  counters.read_count = loader_.read_count() - load_read_count_;
  counters.consumed_bytes = consumed_bytes_;
  counters.checksum = loader_.checksum_time();
  counters.stall = stall_before_;
  if (window_ != nullptr) counters.stall += window_->stall_time();
  if (routed_ != nullptr) counters.stall += routed_->stall_time();
  return counters;
}

}  // namespace shoal::memory
