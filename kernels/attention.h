// Attention of query heads over paged keys and values.

#ifndef SHOAL_KERNELS_ATTENTION_H_
#define SHOAL_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

namespace shoal::kernels {

struct KernelTable;

enum class KvType : uint8_t { kF32, kF16 };

constexpr uint32_t BytesOfElement(KvType type) {
  return type == KvType::kF32 ? 4 : 2;
}

// Positions per page. Also the block of the online softmax, which starts at
// multiples of it, so that results do not depend on how a prompt was cut.
inline constexpr uint32_t kKvPagePositions = 32;

// What pages of one KV head hold.
struct KvShape {
  KvType type = KvType::kF16;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
};

// A page holds, for one KV head, kKvPagePositions keys and then as many values.
// The keys lie across, [key_dim, 32], so that one vector holds an element of
// the keys of several positions; the values along, [32, value_dim]; elements
// of one KvType.
constexpr uint64_t KvPageBytes(KvType type, uint32_t key_dim,
                               uint32_t value_dim) {
  return uint64_t{kKvPagePositions} * (key_dim + value_dim) *
         BytesOfElement(type);
}

// Writes the key [key_dim] and the value [value_dim] of the position `slot` of
// a page. Threads: other slots of the page may be written at the same time.
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
