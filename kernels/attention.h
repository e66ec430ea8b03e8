// Attention of query heads over paged keys and values.

#ifndef SHOAL_KERNELS_ATTENTION_H_
#define SHOAL_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

namespace shoal::kernels {

struct KernelTable;

enum class KvType : uint8_t { kF32, kF16, kQ8 };

// Positions per page. Also the block of the online softmax, which starts at
// multiples of it, so that results do not depend on how a prompt was cut.
inline constexpr uint32_t kKvPagePositions = 32;

// Elements of one position that share a scale in kQ8; the last block of a key
// or a value may be shorter.
inline constexpr uint32_t kKvBlockElements = 32;

// What pages of one KV head hold.
struct KvShape {
  KvType type = KvType::kF16;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
};

// Bytes of the keys, or of the values, of one page. Static for the reason given
// in kernels/tile.h.
static constexpr uint64_t KvRowsBytes(KvType type, uint32_t dim) {
  const uint64_t elements = uint64_t{kKvPagePositions} * dim;
  if (type == KvType::kF32) return 4 * elements;
  if (type == KvType::kF16) return 2 * elements;
  const uint64_t blocks = (dim + kKvBlockElements - 1) / kKvBlockElements;
  return elements + 2 * kKvPagePositions * blocks;
}

// A page holds, for one KV head, kKvPagePositions keys and then as many values.
// The keys lie across, [key_dim, 32], so that one vector holds an element of
// the keys of several positions; the values along, [32, value_dim]; elements
// of one KvType. With kQ8 an element is an int8, and the scales, f16, lie
// behind the keys and behind the values, both [blocks, 32].
static constexpr uint64_t KvPageBytes(KvType type, uint32_t key_dim,
                                      uint32_t value_dim) {
  return KvRowsBytes(type, key_dim) + KvRowsBytes(type, value_dim);
}

// Writes the key [key_dim] and the value [value_dim] of the position `slot` of
// a page. Threads: other slots of the page may be written at the same time.
//
// Numerics: the bits depend on the position's own numbers alone. kF16 rounds to
// nearest even. kQ8 takes the least f16 scale with which the block's largest
// magnitude is at most 127, and rounds each element / scale to nearest even: it
// is off by half a scale at most. A block that holds an infinity or NaN, or
// magnitudes from 8.3e6, becomes NaN.
void StoreKeyAndValue(const KernelTable& kernels, const KvShape& shape,
                      uint32_t slot, const float* key, const float* value,
                      std::byte* page);

// One query head of one token.
struct AttentionQuery {
  const float* query = nullptr;  // [key_dim], already rotated
  float* out = nullptr;          // [value_dim]
  // A score that takes part in the softmax and has no value; null: none.
  const float* sink = nullptr;
  uint32_t begin = 0;  // first position seen (0 unless a window cuts it)
  uint32_t end = 0;    // one past the last position seen; REQUIRES: > begin
};

// Queries that go together share what is read of the cache.
inline constexpr uint32_t kAttentionQueriesMax = 32;

struct AttentionArgs {
  KvShape shape;
  float scale = 1.0f;  // multiplies q . k
  // Scores s become cap * tanh(s / cap); 0: they stay.
  float score_cap = 0.0f;
  const std::byte* const* pages = nullptr;  // pages[p] has positions 32p..
  // 1 to kAttentionQueriesMax queries on these pages, in any order; fastest
  // where those that see the same positions are neighbours.
  const AttentionQuery* queries = nullptr;
  uint32_t query_count = 0;
};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_H_
