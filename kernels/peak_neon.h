// What the loops for ARM processors share; static, as they are compiled for
// several instruction sets.

#ifndef SHOAL_KERNELS_PEAK_NEON_H_
#define SHOAL_KERNELS_PEAK_NEON_H_

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace shoal::kernels::neon {

// Independent sums: the latency of a multiply-add times those begun in a cycle
// is 8 to 16.
inline constexpr int kPeakSums = 16;

static inline uint64_t PeakTotal(const int32x4_t* sums) {
  uint64_t total = 0;
  for (int i = 0; i < kPeakSums; ++i) {
    total += static_cast<uint64_t>(vaddvq_s32(sums[i]));
  }
  return total;
}

static inline uint64_t PeakFloatMacs(uint64_t rounds) {
  float32x4_t a = vdupq_n_f32(1.0f);
  const float32x4_t b = vdupq_n_f32(1.0f);
  float32x4_t sums[kPeakSums];
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  for (uint64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+w"(a));
    for (float32x4_t& sum : sums) sum = vfmaq_f32(sum, a, b);
  }
  uint64_t total = 0;
  for (const float32x4_t& sum : sums) {
    total += static_cast<uint64_t>(vaddvq_f32(sum));
  }
  return total;
}

static inline uint64_t PeakRead(const std::byte* from, uint64_t bytes,
                                uint64_t ahead) {
  constexpr uint64_t kStep = 128;
  uint64x2_t sums[8];
  for (uint64x2_t& sum : sums) sum = vdupq_n_u64(0);
  for (uint64_t at = 0; at < bytes; at += kStep) {
    if (ahead > 0) {
      __builtin_prefetch(from + at + ahead);
      __builtin_prefetch(from + at + ahead + 64);
    }
    for (int i = 0; i < 8; ++i) {
      const auto* words = reinterpret_cast<const uint8_t*>(from + at + 16 * i);
      sums[i] = vaddq_u64(sums[i], vreinterpretq_u64_u8(vld1q_u8(words)));
    }
  }
  uint64_t total = 0;
  for (const uint64x2_t& sum : sums) total += vaddvq_u64(sum);
  return total;
}

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PEAK_NEON_H_
