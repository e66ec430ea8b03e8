#include "memory/kv_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::memory {
namespace {

// A vector of 8 floats; all pages but q8 ones of odd dimensions are multiples of
// a cache line anyway, so that the memory needed is known without the streams.
constexpr uint64_t kPageAlignment = 32;
constexpr uint64_t kSystemPageBytes = 4096;  // mmap() rounds up to it

}  // namespace

KvCache::KvCache(Options options, std::vector<uint64_t> stream_page_bytes)
    : options_(options),
      stream_count_(static_cast<uint32_t>(stream_page_bytes.size())) {
  SHOAL_CHECK(options_.positions_per_page > 0);
  for (const uint64_t bytes : stream_page_bytes) {
    SHOAL_CHECK(bytes > 0, "a stream without bytes");
    stream_offsets_.push_back(block_bytes_);
    block_bytes_ += base::AlignUp(bytes, kPageAlignment);
  }
  block_bytes_ = base::AlignUp(block_bytes_, kSystemPageBytes);
}

absl::Status KvCache::Reserve(uint64_t session, uint32_t position_count) {
  Session& state = sessions_[session];
  if (stream_count_ == 0) return absl::OkStatus();
  if (state.pages.empty()) {
    // Room for all pages that there can be: a session that grows by a page
    // allocates nothing else. Eight bytes for each page of some kilobytes.
    const uint64_t pages_max = options_.budget_bytes / block_bytes_;
    state.pages.resize(stream_count_);
    for (auto& pages : state.pages) pages.reserve(pages_max);
    state.blocks.reserve(pages_max);
    free_blocks_.reserve(pages_max);
  }
  const uint64_t page_count = PageCountFor(position_count);
  const uint64_t have = state.blocks.size();
  if (page_count <= have) return absl::OkStatus();

  const uint64_t free_bytes = options_.budget_bytes - bytes_in_use_;
  const uint64_t addable = free_bytes / block_bytes_;
  if (page_count - have > addable) {
    const uint64_t fitting = (have + addable) * options_.positions_per_page;
    return absl::ResourceExhaustedError(absl::StrCat(
        "KV pages for ", position_count, " positions of session ", session,
        " take ", base::FormatByteSize(page_count * block_bytes_),
        ", but of the budget of ", base::FormatByteSize(options_.budget_bytes),
        " only ", base::FormatByteSize(free_bytes + have * block_bytes_),
        " are left: ", fitting,
        " positions would fit; shorten the context or raise the budget"));
  }
  return Grow(state, page_count);
}

absl::Status KvCache::Grow(Session& state, uint64_t page_count) {
  const uint64_t before = state.blocks.size();
  while (state.blocks.size() < page_count) {
    Slab block;
    if (!free_blocks_.empty()) {
      block = std::move(free_blocks_.back());
      free_blocks_.pop_back();
    } else {
      absl::StatusOr<Slab> made = Slab::Create(block_bytes_);
      if (!made.ok()) {
        Shrink(state, before);
        return made.status();
      }
      block = *std::move(made);
    }
    for (uint32_t s = 0; s < stream_count_; ++s) {
      state.pages[s].push_back(block.data() + stream_offsets_[s]);
    }
    state.blocks.push_back(std::move(block));
    bytes_in_use_ += block_bytes_;
  }
  return absl::OkStatus();
}

void KvCache::Shrink(Session& state, uint64_t page_count) {
  while (state.blocks.size() > page_count) {
    for (std::vector<std::byte*>& pages : state.pages) pages.pop_back();
    free_blocks_.push_back(std::move(state.blocks.back()));
    state.blocks.pop_back();
    bytes_in_use_ -= block_bytes_;
  }
}

void KvCache::Truncate(uint64_t session, uint32_t length) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) Shrink(found->second, PageCountFor(length));
}

void KvCache::Drop(uint64_t session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  Shrink(found->second, 0);
  sessions_.erase(found);
}

std::span<std::byte* const> KvCache::Pages(uint64_t session,
                                           uint32_t stream) const {
  SHOAL_CHECK(stream < stream_count_, "stream ", stream, " of ", stream_count_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return {};
  return found->second.pages[stream];
}

uint32_t KvCache::Capacity(uint64_t session) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return 0;
  return static_cast<uint32_t>(found->second.blocks.size()) *
         options_.positions_per_page;
}

uint64_t KvCache::BytesMissing(uint64_t session,
                               uint32_t position_count) const {
  const auto found = sessions_.find(session);
  const uint64_t have =
      found == sessions_.end() ? 0 : found->second.blocks.size();
  const uint64_t wanted = PageCountFor(position_count);
  return wanted > have ? (wanted - have) * block_bytes_ : 0;
}

uint64_t KvCache::PageCountFor(uint32_t position_count) const {
  return base::AlignUp(position_count, options_.positions_per_page) /
         options_.positions_per_page;
}

}  // namespace shoal::memory
