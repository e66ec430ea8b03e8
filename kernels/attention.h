// Attention of one query head over paged keys and values.

#ifndef SHOAL_KERNELS_ATTENTION_H_
#define SHOAL_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

namespace shoal::kernels {

enum class KvType : uint8_t { kF32, kF16 };

constexpr uint32_t BytesOfElement(KvType type) {
  return type == KvType::kF32 ? 4 : 2;
}

// Positions per page. Also the block of the online softmax, which starts at
// multiples of it, so that results do not depend on how a prompt was cut.
inline constexpr uint32_t kKvPagePositions = 32;

// A page holds, for one KV head, kKvPagePositions keys and then as many values:
// [32, key_dim] then [32, value_dim], row-major, elements of one KvType.
constexpr uint64_t KvPageBytes(KvType type, uint32_t key_dim,
                               uint32_t value_dim) {
  return uint64_t{kKvPagePositions} * (key_dim + value_dim) *
         BytesOfElement(type);
}

struct AttentionArgs {
  KvType kv_type = KvType::kF16;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
  const float* query = nullptr;  // [key_dim], already rotated
  float scale = 1.0f;            // multiplies q . k
  // Scores s become cap * tanh(s / cap); 0: they stay.
  float score_cap = 0.0f;
  // A score that takes part in the softmax and has no value; null: none.
  const float* sink = nullptr;

  const std::byte* const* pages = nullptr;  // pages[p] has positions 32p..
  uint32_t begin = 0;  // first position seen (0 unless a window cuts it)
  uint32_t end = 0;    // one past the last position seen; REQUIRES: > begin
};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_H_
