// Rates of attention: multiply-adds per second of queries that go together.
//
// Arguments: queries, positions that they see, dimension of keys and values.

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

void BM_Attention(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto positions = static_cast<uint32_t>(state.range(1));
  const auto dim = static_cast<uint32_t>(state.range(2));
  const KernelTable& table = **SelectKernels("auto");
  const KvShape shape = {KvType::kF16, dim, dim};
  const uint64_t page_bytes = KvPageBytes(shape.type, dim, dim);
  const uint32_t page_count = positions / kKvPagePositions;
  std::vector<std::byte> storage(page_count * page_bytes);
  std::vector<const std::byte*> pages;
  std::mt19937 random(1);
  for (uint32_t p = 0; p < positions; ++p) {
    std::byte* page = &storage[p / kKvPagePositions * page_bytes];
    if (p % kKvPagePositions == 0) pages.push_back(page);
    StoreKeyAndValue(table, shape, p % kKvPagePositions,
                     testing::RandomFloats(dim, random).data(),
                     testing::RandomFloats(dim, random).data(), page);
  }
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
  args.pages = pages.data();
  args.queries = queries.data();
  args.query_count = count;
  for (auto _ : state) {
    table.attention(args);
    benchmark::ClobberMemory();
  }
  state.counters["GMAC/s"] = benchmark::Counter(
      2e-9 * static_cast<double>(state.iterations()) * count * positions * dim,
      benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Attention)
    ->ArgsProduct({{1, 4, 8, 32}, {64, 512, 2048}, {64, 128}});

}  // namespace
}  // namespace shoal::kernels
