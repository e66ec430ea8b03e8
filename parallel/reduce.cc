#include "parallel/reduce.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace shoal::parallel {
namespace {

// Elements summed at a time: the block of sums stays in the first cache.
constexpr size_t kBlock = 512;

// Frames are not aligned for doubles, hence memcpy.
template <typename T>
void AddBlock(const std::byte* from, size_t begin, size_t count, T* sum) {
  std::array<T, kBlock> part;
  std::memcpy(part.data(), from + begin * sizeof(T), count * sizeof(T));
  for (size_t i = 0; i < count; ++i) sum[i] += part[i];
}

void AddBias(std::span<const float> bias, size_t begin,
             std::span<float> block) {
  for (size_t i = 0; i < block.size(); ++i) {
    block[i] += bias[(begin + i) % bias.size()];
  }
}

}  // namespace

void AddParts(Payload payload, std::span<const std::byte* const> parts,
              std::span<const float> bias, std::span<float> residual) {
  for (size_t begin = 0; begin < residual.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, residual.size() - begin);
    const std::span<float> block = residual.subspan(begin, count);
    if (payload == Payload::kF64) {
      std::array<double, kBlock> sum;
      std::copy(block.begin(), block.end(), sum.begin());
      for (const std::byte* part : parts) {
        AddBlock(part, begin, count, sum.data());
      }
      std::transform(sum.begin(), sum.begin() + count, block.begin(),
                     [](double value) { return static_cast<float>(value); });
    } else {
      std::array<float, kBlock> sum{};
      for (const std::byte* part : parts) {
        AddBlock(part, begin, count, sum.data());
      }
      for (size_t i = 0; i < count; ++i) block[i] += sum[i];
    }
    if (!bias.empty()) AddBias(bias, begin, block);
  }
}

}  // namespace shoal::parallel
