// Rates of attention: multiply-adds per second of queries that go together.
//
// Arguments: queries, positions that they see, dimension of keys and values,
// type (0: f32, 1: f16, 2: q8), KV heads that take turns.

#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

// Pages of several KV heads with the same contents, where the cache has them:
// each begins a line of the processor's.
class Pages {
 public:
  Pages(const KvShape& shape, uint32_t heads, uint32_t positions)
      : page_count_((positions + kKvPagePositions - 1) / kKvPagePositions) {
    const KernelTable& table = **SelectKernels("auto");
    const uint64_t page_bytes =
        KvPageBytes(shape.type, shape.key_dim, shape.value_dim);
    const uint64_t head_bytes = page_count_ * page_bytes;
    storage_.resize(heads * head_bytes + 64);
    auto* begin = reinterpret_cast<std::byte*>(
        (reinterpret_cast<uintptr_t>(storage_.data()) + 63) / 64 * 64);
    std::mt19937 random(1);
    for (uint32_t p = 0; p < positions; ++p) {
      StoreKeyAndValue(table, shape, p % kKvPagePositions,
                       testing::RandomFloats(shape.key_dim, random).data(),
                       testing::RandomFloats(shape.value_dim, random).data(),
                       begin + p / kKvPagePositions * page_bytes);
    }
    for (uint32_t h = 0; h < heads; ++h) {
      if (h > 0) std::memcpy(begin + h * head_bytes, begin, head_bytes);
      for (uint32_t p = 0; p < page_count_; ++p) {
        pages_.push_back(begin + h * head_bytes + p * page_bytes);
      }
    }
  }

  const std::byte* const* Of(uint32_t head) const {
    return &pages_[head * page_count_];
  }

 private:
  uint32_t page_count_;
  std::vector<std::byte> storage_;
  std::vector<const std::byte*> pages_;
};

void BM_Attention(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto positions = static_cast<uint32_t>(state.range(1));
  const auto dim = static_cast<uint32_t>(state.range(2));
  const auto heads = static_cast<uint32_t>(state.range(4));
  const KernelTable& table = **SelectKernels("auto");
  const KvShape shape = {static_cast<KvType>(state.range(3)), dim, dim};
  const Pages pages(shape, heads, positions);
  std::mt19937 random(1);
  const auto inputs = testing::RandomFloats(count * dim, random);
  std::vector<float> out(count * dim);
  std::vector<AttentionQuery> queries(count);
  for (uint32_t q = 0; q < count; ++q) {
    queries[q].query = &inputs[q * dim];
    queries[q].out = &out[q * dim];
    queries[q].end = positions;
  }
  AttentionArgs args;
  args.shape = shape;
  args.scale = 0.125f;
  args.queries = queries.data();
  args.query_count = count;
  for (auto _ : state) {
    for (uint32_t h = 0; h < heads; ++h) {
      args.pages = pages.Of(h);
      table.attention(args);
    }
    benchmark::ClobberMemory();
  }
  state.counters["GMAC/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(state.iterations()) *
                             heads * count * positions * dim,
                         benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Attention)
    ->ArgsProduct({{1, 4, 8, 32}, {64, 512, 2048}, {64, 128}, {0, 1, 2}, {1}});
// A token of a model of 1.1 billion weights, whose cache is in memory.
BENCHMARK(BM_Attention)->ArgsProduct({{8}, {370}, {64}, {0, 1, 2}, {88}});

}  // namespace
}  // namespace shoal::kernels
