// Plain C++: products of arrays that stay in the first-level cache.

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

// Few enough that 16 sums of floats count kPeakRoundsMax rounds exactly.
constexpr uint32_t kElements = 512;
static_assert(kPeakRoundsMax * kElements / 16 <= uint64_t{1} << 24);

// Hides what the arrays hold, so that they are multiplied round after round.
template <typename T>
void Hide(std::array<T, kElements>& values) {
  asm volatile("" : : "r"(values.data()) : "memory");
}

uint64_t IntegerMacs(uint64_t rounds) {
  std::array<int8_t, kElements> a, b;
  a.fill(1);
  b.fill(1);
  uint64_t total = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    Hide(a);
    int32_t sum = 0;
    for (uint32_t i = 0; i < kElements; ++i) sum += int32_t{a[i]} * b[i];
    total += static_cast<uint64_t>(sum);
  }
  return total;
}

uint64_t FloatMacs(uint64_t rounds) {
  // 16 sums side by side: more than the latency of an addition needs.
  constexpr uint32_t kSums = 16;
  std::array<float, kElements> a, b;
  a.fill(1);
  b.fill(1);
  std::array<float, kSums> sums = {};
  for (uint64_t round = 0; round < rounds; ++round) {
    Hide(a);
    for (uint32_t i = 0; i < kElements; i += kSums) {
      for (uint32_t k = 0; k < kSums; ++k) sums[k] += a[i + k] * b[i + k];
    }
  }
  uint64_t total = 0;
  for (const float sum : sums) total += static_cast<uint64_t>(sum);
  return total;
}

uint64_t Read(const std::byte* from, uint64_t bytes, uint64_t ahead) {
  constexpr uint64_t kStep = 64;
  uint64_t sums[8] = {};
  for (uint64_t at = 0; at < bytes; at += kStep) {
    __builtin_prefetch(from + std::min(at + ahead, bytes - 1));
    uint64_t words[8];
    std::memcpy(words, from + at, kStep);
    for (int k = 0; k < 8; ++k) sums[k] += words[k];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

constexpr PeakLoops kPeakScalar = {
    .isa = "scalar",
    .integer_macs = IntegerMacs,
    .float_macs = FloatMacs,
    .read = Read,
};

}  // namespace shoal::kernels
