// Keys and values of the sessions that a rank serves, in pages.

#ifndef SHOAL_MEMORY_KV_CACHE_H_
#define SHOAL_MEMORY_KV_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "memory/slab.h"

namespace shoal::memory {

// A stream is a (layer, KV head) of this rank; its page holds keys and values
// of positions_per_page positions, in a form that only the kernels know. All
// streams of a session grow together: page p of each holds the positions from
// p * positions_per_page on. Pages are not cleared, are aligned to 32 bytes,
// and stay where they are until they are given back.
//
// Memory:  one page of every stream is one block from the system; blocks that
//          are given back are used again, or go to the system by
//          FreeUnused(). At most budget_bytes in all.
// Threads: thread-compatible.
class KvCache {
 public:
  struct Options {
    uint32_t positions_per_page = 64;  // > 0
    uint64_t budget_bytes = 0;
  };

  // REQUIRES: every stream_page_bytes > 0. No streams: nothing is ever needed.
  KvCache(Options options, std::vector<uint64_t> stream_page_bytes);

  // Makes room for positions [0, position_count) in every stream of `session`;
  // what is there stays. Never shrinks.
  // Errors, after which the session is as before:
  //   kResourceExhausted  the budget or the system's memory; says how many
  //                       positions would fit
  absl::Status Reserve(uint64_t session, uint32_t position_count);

  // Gives back the pages that hold no position below `length`. A session that
  // is shorter, or unknown, stays as it is.
  void Truncate(uint64_t session, uint32_t length);

  // Gives back all pages of a session, known or not.
  void Drop(uint64_t session);

  // The pages of one stream, in order of position; valid until the next call
  // for that session that is not Pages(). Empty for an unknown session.
  // REQUIRES: stream < stream count.
  std::span<std::byte* const> Pages(uint64_t session, uint32_t stream) const;

  // What Reserve() with the same arguments would take from bytes that are not in
  // use.
  uint64_t BytesMissing(uint64_t session, uint32_t position_count) const;

  // Blocks that nobody uses go back to the system.
  void FreeUnused() { free_blocks_.clear(); }

  // Positions that `session` has room for.
  uint32_t Capacity(uint64_t session) const;

  // What all streams take for positions_per_page positions.
  uint64_t block_bytes() const { return block_bytes_; }
  uint64_t bytes_in_use() const { return bytes_in_use_; }

 private:
  struct Session {
    std::vector<Slab> blocks;
    std::vector<std::vector<std::byte*>> pages;  // [stream][page]
  };

  uint64_t PageCountFor(uint32_t position_count) const;
  absl::Status Grow(Session& state, uint64_t page_count);
  void Shrink(Session& state, uint64_t page_count);

  const Options options_;
  const uint32_t stream_count_;
  std::vector<uint64_t> stream_offsets_;  // in a block
  uint64_t block_bytes_ = 0;
  uint64_t bytes_in_use_ = 0;
  std::map<uint64_t, Session> sessions_;
  std::vector<Slab> free_blocks_;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_KV_CACHE_H_
