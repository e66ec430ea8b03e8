#include "memory/weight_cache.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
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
  SHOAL_RETURN_IF_ERROR(cache->LoadResidents());

  std::vector<uint32_t> streamed;
  uint64_t largest_routed = 0;
  uint32_t routed_count = 0;
  for (uint32_t i = 0; i < cache->entry_count(); ++i) {
    const CacheEntry& entry = cache->entries_[i];
    if (entry.resident) continue;
    if (entry.routed) {
      largest_routed = std::max(largest_routed, entry.bytes);
      ++routed_count;
      continue;
    }
    streamed.push_back(i);
    cache->streamed_bytes_ += PaddedBytes(entry);
  }
  const Options& with = cache->options_;
  if (largest_routed > 0) {
    SHOAL_ASSIGN_OR_RETURN(cache->routed_,
                           RoutedUnits::Create(cache->loader_, *with.clock,
                                               largest_routed, routed_count));
  }
  if (streamed.empty()) return cache;
  SHOAL_ASSIGN_OR_RETURN(
      cache->window_,
      StreamWindow::Create({.window_bytes = with.window_bytes,
                            .read_bytes_max = with.read_bytes_max,
                            .reads_in_flight = with.reads_in_flight,
                            .clock = with.clock},
                           cache->loader_, cache->entries_,
                           std::move(streamed)));
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

absl::Status WeightCache::LoadResidents() {
  uint64_t bytes = 0;
  for (const CacheEntry& entry : entries_) {
    if (entry.resident) bytes += PaddedBytes(entry);
  }
  SHOAL_ASSIGN_OR_RETURN(residents_, Slab::Create(bytes));
  std::byte* to = residents_.data();
  std::vector<absl::Status> statuses;
  for (uint32_t first = 0; first < entry_count();) {
    if (!entries_[first].resident) {
      ++first;
      continue;
    }
    // A run of residents that lie behind each other is read together.
    uint32_t end = first;
    uint64_t offset = entries_[first].offset;
    std::byte* run = to;
    while (end < entry_count() && entries_[end].resident &&
           entries_[end].offset == offset) {
      resident_data_[end] = to;
      offset += PaddedBytes(entries_[end]);
      to += PaddedBytes(entries_[end]);
      ++end;
    }
    statuses.assign(end - first, absl::OkStatus());
    loader_.Load(first, run, statuses);
    for (absl::Status& status : statuses) SHOAL_RETURN_IF_ERROR(status);
    first = end;
  }
  load_bytes_ = loader_.bytes_read();
  load_read_count_ = loader_.read_count();
  return absl::OkStatus();
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
  if (window_ != nullptr) counters.stall += window_->stall_time();
  if (routed_ != nullptr) counters.stall += routed_->stall_time();
  return counters;
}

}  // namespace shoal::memory
