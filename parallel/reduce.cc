#include "parallel/reduce.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace shoal::parallel {
namespace {

// Elements summed at a time: they stay in the first cache, and a number that
// the compiler knows lets it make vector instructions of the loops.
constexpr size_t kBlock = 256;

using Parts = std::span<const std::byte* const>;

[[gnu::always_inline]] inline void Begin(const float* residual, double* sum) {
  for (size_t i = 0; i < kBlock; ++i) sum[i] = residual[i];
}

[[gnu::always_inline]] inline void End(const double* sum, float* residual) {
  for (size_t i = 0; i < kBlock; ++i) residual[i] = static_cast<float>(sum[i]);
}

[[gnu::always_inline]] inline void Begin(const float*, float* sum) {
  for (size_t i = 0; i < kBlock; ++i) sum[i] = 0.0f;
}

[[gnu::always_inline]] inline void End(const float* sum, float* residual) {
  for (size_t i = 0; i < kBlock; ++i) residual[i] += sum[i];
}

// Frames are not aligned for doubles, hence memcpy.
template <typename T>
[[gnu::always_inline]] inline void AddBlock(Parts parts, size_t begin,
                                            float* residual) {
  std::array<T, kBlock> sum;
  Begin(residual, sum.data());
  for (size_t p = 0; p < parts.size(); ++p) {
    std::array<T, kBlock> from;
    std::memcpy(from.data(), parts[p] + begin * sizeof(T), sizeof(from));
    for (size_t i = 0; i < kBlock; ++i) sum[i] += from[i];
  }
  End(sum.data(), residual);
}

template <typename T>
void AddBlocks(Parts parts, size_t count, float* residual) {
  for (size_t begin = 0; begin < count; begin += kBlock) {
    AddBlock<T>(parts, begin, residual + begin);
  }
}

// The same loops compiled for wider registers: additions one by one, so the
// bits are the same.
#if defined(__x86_64__)
template <typename T>
__attribute__((target("avx2"))) void AddBlocksAvx2(Parts parts, size_t count,
                                                   float* residual) {
  for (size_t begin = 0; begin < count; begin += kBlock) {
    AddBlock<T>(parts, begin, residual + begin);
  }
}

bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#endif

template <typename T>
void AddWhole(Parts parts, size_t count, float* residual) {
#if defined(__x86_64__)
  if (HasAvx2()) return AddBlocksAvx2<T>(parts, count, residual);
#endif
  AddBlocks<T>(parts, count, residual);
}

// What is left of a block, through blocks of which the rest is nothing.
template <typename T>
void AddRest(Parts parts, size_t begin, std::span<float> residual) {
  std::array<float, kBlock> block{};
  std::copy(residual.begin(), residual.end(), block.begin());
  std::array<T, kBlock> sum;
  Begin(block.data(), sum.data());
  for (const std::byte* part : parts) {
    std::array<T, kBlock> from{};
    std::memcpy(from.data(), part + begin * sizeof(T),
                residual.size() * sizeof(T));
    for (size_t i = 0; i < kBlock; ++i) sum[i] += from[i];
  }
  End(sum.data(), block.data());
  std::copy_n(block.begin(), residual.size(), residual.begin());
}

template <typename T>
void AddAll(Parts parts, std::span<float> residual) {
  const size_t whole = residual.size() / kBlock * kBlock;
  AddWhole<T>(parts, whole, residual.data());
  if (whole < residual.size()) {
    AddRest<T>(parts, whole, residual.subspan(whole));
  }
}

}  // namespace

void AddParts(Payload payload, std::span<const std::byte* const> parts,
              std::span<const float> bias, std::span<float> residual) {
  if (payload == Payload::kF64) {
    AddAll<double>(parts, residual);
  } else {
    AddAll<float>(parts, residual);
  }
  if (bias.empty()) return;
  for (size_t row = 0; row < residual.size(); row += bias.size()) {
    for (size_t i = 0; i < bias.size(); ++i) residual[row + i] += bias[i];
  }
}

}  // namespace shoal::parallel
