#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <span>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::RandomFloats;

// The least f16 of which 127 make the largest magnitude of `block`, found by
// trying them all from below.
double LeastScale(std::span<const float> block) {
  double max = 0;
  for (const float value : block) max = std::max(max, std::abs(double{value}));
  uint16_t half = 0;
  while (127 * double{FloatFromHalf(half)} < max) ++half;
  return FloatFromHalf(half);
}

// Rounds to what 8-bit blocks of 32 keep.
void ToQuants(std::vector<float>& row) {
  for (size_t begin = 0; begin < row.size(); begin += 32) {
    const auto block =
        std::span(row).subspan(begin, std::min<size_t>(32, row.size() - begin));
    const double scale = LeastScale(block);
    if (scale == 0) continue;
    for (float& value : block) {
      value = static_cast<float>(std::nearbyint(value / scale) * scale);
    }
  }
}

// Keys and values of one head, both as numbers and in pages. Slots that no
// test may read hold NaN.
struct Cache {
  Cache(KvType kv_type, uint32_t keys, uint32_t values, uint32_t count)
      : type(kv_type), key_dim(keys), value_dim(values) {
    std::mt19937 random(count + keys);
    const uint32_t page_count = (count + 31) / 32;
    storage.assign(page_count * KvPageBytes(type, keys, values),
                   std::byte{0xff});
    for (uint32_t page = 0; page < page_count; ++page) {
      pages.push_back(&storage[page * KvPageBytes(type, keys, values)]);
    }
    for (uint32_t position = 0; position < count; ++position) {
      key.push_back(RandomFloats(keys, random));
      value.push_back(RandomFloats(values, random));
      Put(position, &storage[position / 32 * KvPageBytes(type, keys, values)]);
    }
    query = RandomFloats(keys, random);
  }

  // Writes a position to its page; what was stored becomes key and value.
  void Put(uint32_t position, std::byte* page) {
    for (auto* row : {&key[position], &value[position]}) {
      if (type == KvType::kF16) {
        for (float& e : *row) e = FloatFromHalf(HalfFromFloat(e));
      }
      if (type == KvType::kQ8) ToQuants(*row);
    }
    StoreKeyAndValue(**SelectKernels("scalar"), {type, key_dim, value_dim},
                     position % 32, key[position].data(),
                     value[position].data(), page);
  }

  AttentionQuery Query(uint32_t begin, uint32_t end, float* out) const {
    AttentionQuery one;
    one.query = query.data();
    one.out = out;
    one.begin = begin;
    one.end = end;
    return one;
  }

  AttentionArgs Args() const {
    AttentionArgs args;
    args.shape = {type, key_dim, value_dim};
    args.scale = 1.0f / std::sqrt(static_cast<float>(key_dim));
    args.pages = pages.data();
    return args;
  }

  // One query of its own.
  void Attend(const KernelTable& table, uint32_t begin, uint32_t end,
              float* out, float cap = 0, const float* sink = nullptr) const {
    AttentionQuery one = Query(begin, end, out);
    one.sink = sink;
    AttentionArgs args = Args();
    args.score_cap = cap;
    args.queries = &one;
    args.query_count = 1;
    table.attention(args);
  }

  // Two passes in double.
  std::vector<double> Reference(uint32_t begin, uint32_t end, double cap = 0,
                                const float* sink = nullptr) const {
    std::vector<double> weights;
    double max = sink == nullptr ? -INFINITY : *sink;
    for (uint32_t p = begin; p < end; ++p) {
      double dot = 0;
      for (uint32_t i = 0; i < key_dim; ++i) {
        dot += double{query[i]} * key[p][i];
      }
      weights.push_back(dot * (1.0f / std::sqrt(static_cast<float>(key_dim))));
      if (cap > 0) weights.back() = cap * std::tanh(weights.back() / cap);
      max = std::max(max, weights.back());
    }
    double sum = sink == nullptr ? 0 : std::exp(*sink - max);
    std::vector<double> out(value_dim);
    for (uint32_t p = begin; p < end; ++p) {
      const double weight = std::exp(weights[p - begin] - max);
      sum += weight;
      for (uint32_t i = 0; i < value_dim; ++i) out[i] += weight * value[p][i];
    }
    for (double& element : out) element /= sum;
    return out;
  }

  KvType type;
  uint32_t key_dim, value_dim;
  std::vector<std::byte> storage;
  std::vector<const std::byte*> pages;
  std::vector<std::vector<float>> key, value;
  std::vector<float> query;
};

TEST(AttentionTest, EqualsTwoPassesInDouble) {
  for (const KernelTable* table : AllTables()) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
      for (const auto& [keys, values] :
           {std::pair{64u, 64u}, {128u, 128u}, {24u, 20u}, {5u, 3u}}) {
        const Cache cache(type, keys, values, 200);
        for (const auto& [begin, end] : {std::pair{0u, 1u},
                                         {0u, 32u},
                                         {0u, 33u},
                                         {0u, 200u},
                                         {31u, 32u},
                                         {40u, 50u},
                                         {70u, 200u}}) {
          std::vector<float> got(values, NAN);
          cache.Attend(*table, begin, end, got.data());
          const std::vector<double> wanted = cache.Reference(begin, end);
          for (uint32_t i = 0; i < values; ++i) {
            // A score has magnitude below 16 and key_dim / 8 + 4 roundings at
            // most, which are relative errors of its weight; 200 weighted
            // values of magnitude below 5 are then summed.
            const double tolerance = (16 * (keys / 8.0 + 4) + 5 * 40) * 0x1p-24;
            ASSERT_NEAR(got[i], wanted[i], tolerance)
                << table->isa << " " << keys << " " << begin << "-" << end;
          }
        }
      }
    }
  }
}

TEST(AttentionTest, CapsScoresAndLetsASinkTakePart) {
  for (const KernelTable* table : AllTables()) {
    const Cache cache(KvType::kF32, 24, 20, 100);
    for (const float sink : {-30.0f, 0.5f, 30.0f}) {
      for (const float cap : {0.0f, 1.5f, 50.0f}) {
        for (const auto& [begin, end] :
             {std::pair{0u, 1u}, {0u, 33u}, {37u, 100u}}) {
          std::vector<float> got(20, NAN);
          cache.Attend(*table, begin, end, got.data(), cap, &sink);
          const auto wanted = cache.Reference(begin, end, cap, &sink);
          for (uint32_t i = 0; i < 20; ++i) {
            // As above; the cap adds an exponential, a sum, a quotient and a
            // product of magnitude 50.
            EXPECT_NEAR(got[i], wanted[i], (16 * 7 + 50 * 8 + 200) * 0x1p-24)
                << table->isa << " " << sink << " " << cap << " " << begin;
          }
        }
      }
    }
  }
}

// A position's output depends on what it sees, not on the pages' addresses or
// on what is stored after it: so a prompt may be cut anywhere.
TEST(AttentionTest, BitsDoNotDependOnLaterPositionsOrAddresses) {
  for (const KernelTable* table : AllTables()) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
      Cache cache(type, 64, 64, 100);
      for (const uint32_t end : {1u, 31u, 32u, 33u, 64u, 77u}) {
        std::vector<float> full(64), cut(64);
        cache.Attend(*table, 0, end, full.data());
        // The same positions alone, at an odd address, NaN after them.
        const uint64_t page_bytes = KvPageBytes(type, 64, 64);
        std::vector<std::byte> moved(4 * page_bytes + 4, std::byte{0xff});
        Cache other = cache;
        for (uint32_t page = 0; page < 4; ++page) {
          std::byte* to = &moved[4 + page * page_bytes];
          other.pages[page] = to;
          for (uint32_t p = page * 32; p < std::min(end, page * 32 + 32); ++p) {
            other.Put(p, to);
          }
        }
        other.Attend(*table, 0, end, cut.data());
        EXPECT_EQ(std::memcmp(full.data(), cut.data(), 256), 0)
            << table->isa << " " << end;
      }
    }
  }
}

// Only the seen positions count within the first block of a window.
TEST(AttentionTest, PositionsBeforeTheWindowAreNotRead) {
  for (const KernelTable* table : AllTables()) {
    Cache cache(KvType::kF32, 16, 16, 64);
    std::vector<float> before(16), after(16);
    cache.Attend(*table, 40, 64, before.data());
    for (uint32_t p = 32; p < 40; ++p) {
      cache.key[p].assign(16, NAN);
      cache.value[p].assign(16, NAN);
      cache.Put(p, cache.storage.data() + KvPageBytes(KvType::kF32, 16, 16));
    }
    cache.Attend(*table, 40, 64, after.data());
    EXPECT_EQ(before, after) << table->isa;
  }
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  for (const KernelTable* table : AllTables()) {
    Cache cache(KvType::kF32, 8, 8, 80);
    for (float& element : cache.query) element *= 1e4f;
    std::vector<float> got(8);
    cache.Attend(*table, 0, 80, got.data());
    const std::vector<double> wanted = cache.Reference(0, 80);
    // One position has all the weight.
    for (uint32_t i = 0; i < 8; ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5);
  }
}

// Queries that go together share what is read, nothing else.
TEST(AttentionTest, BitsDoNotDependOnWhatGoesTogether) {
  std::mt19937 random(5);
  for (const KernelTable* table : AllTables()) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
      for (const auto& [keys, values] :
           {std::pair{64u, 64u}, {24u, 20u}, {192u, 128u}, {7u, 40u}}) {
        const Cache cache(type, keys, values, 150);
        std::vector<std::vector<float>> inputs, alone, together;
        std::vector<AttentionQuery> queries;
        const float sink = 0.3f;
        // Neighbouring tokens of 3 heads each, one of which has a sink, then
        // windows that begin in the middle of a block.
        for (uint32_t q = 0; q < kAttentionQueriesMax; ++q) {
          const uint32_t end = q < 24 ? 62 + q / 3 : 120 + q / 2;
          inputs.push_back(RandomFloats(keys, random));
          alone.emplace_back(values, NAN);
          together.emplace_back(values, NAN);
          AttentionQuery& query = queries.emplace_back();
          query.begin = q < 24 ? 0 : end - 50;
          query.end = end;
          query.sink = q % 3 == 0 ? &sink : nullptr;
        }
        AttentionArgs args = cache.Args();
        for (uint32_t q = 0; q < queries.size(); ++q) {
          queries[q].query = inputs[q].data();
          queries[q].out = alone[q].data();
          args.queries = &queries[q];
          args.query_count = 1;
          table->attention(args);
        }
        for (const uint32_t count : {2u, 5u, 7u, 31u, 32u}) {
          for (uint32_t q = 0; q < count; ++q) {
            queries[q].out = together[q].data();
          }
          args.queries = queries.data();
          args.query_count = count;
          table->attention(args);
          for (uint32_t q = 0; q < count; ++q) {
            ASSERT_EQ(alone[q], together[q])
                << table->isa << " " << keys << ": " << q << " of " << count;
          }
        }
      }
    }
  }
}

// The layout as the header tells it, read element by element.
TEST(AttentionTest, InQ8EveryElementIsWithinHalfTheLeastScale) {
  constexpr uint32_t kDim = 80;
  std::mt19937 random(3);
  const KvShape shape = {KvType::kQ8, kDim, kDim};
  std::vector<std::byte> page(KvPageBytes(shape.type, kDim, kDim));
  const std::byte* values = &page[KvRowsBytes(shape.type, kDim)];
  const auto scale_at = [](const std::byte* from, uint32_t i, uint32_t slot) {
    uint16_t half;
    std::memcpy(&half, from + 32 * kDim + 2 * (i / 32 * 32 + slot), 2);
    return double{FloatFromHalf(half)};
  };
  for (uint32_t slot = 0; slot < 32; ++slot) {
    const auto key = RandomFloats(kDim, random);
    const auto value = RandomFloats(kDim, random);
    StoreKeyAndValue(**SelectKernels("scalar"), shape, slot, key.data(),
                     value.data(), page.data());
    for (uint32_t i = 0; i < kDim; ++i) {
      const uint32_t begin = i / 32 * 32;
      const uint32_t count = std::min(32u, kDim - begin);
      const double key_scale = LeastScale(std::span(key).subspan(begin, count));
      const double value_scale =
          LeastScale(std::span(value).subspan(begin, count));
      EXPECT_EQ(scale_at(page.data(), i, slot), key_scale);
      EXPECT_EQ(scale_at(values, i, slot), value_scale);
      // The quotient is rounded as a float before.
      EXPECT_NEAR(static_cast<int8_t>(page[i * 32 + slot]) * key_scale, key[i],
                  key_scale * (0.5 + 127 * 0x1p-22));
      EXPECT_NEAR(static_cast<int8_t>(values[slot * kDim + i]) * value_scale,
                  value[i], value_scale * (0.5 + 127 * 0x1p-22));
    }
  }
}

// What q8 cannot hold must not look like numbers: neither position nor block of
// it may hide.
TEST(AttentionTest, InQ8WhatIsNoNumberMakesItsBlockNan) {
  for (const KernelTable* table : AllTables()) {
    for (const float bad : {INFINITY, -INFINITY, NAN, 1e7f}) {
      Cache cache(KvType::kQ8, 64, 70, 40);
      cache.value[35][33] = bad;  // a Put() of it would be rounded
      StoreKeyAndValue(*table, {KvType::kQ8, 64, 70}, 3, cache.key[35].data(),
                       cache.value[35].data(),
                       &cache.storage[KvPageBytes(KvType::kQ8, 64, 70)]);
      std::vector<float> got(70);
      cache.Attend(*table, 0, 40, got.data());
      for (uint32_t i = 0; i < 70; ++i) {
        EXPECT_EQ(std::isnan(got[i]), i >= 32 && i < 64)
            << table->isa << " " << bad << " " << i;
      }
    }
  }
}

TEST(AttentionTest, InQ8ZerosAndTheSmallestNumbersStay) {
  for (const KernelTable* table : AllTables()) {
    Cache cache(KvType::kQ8, 32, 64, 1);
    for (uint32_t i = 0; i < 64; ++i) {
      // A scale of 2^-24, the least f16; quants 0 to 127.
      cache.value[0][i] = i < 32 ? 0.0f : static_cast<float>(i * 2) * 0x1p-24f;
    }
    cache.value[0][63] = 127 * 0x1p-24f;
    const std::vector<float> wanted = cache.value[0];
    cache.Put(0, cache.storage.data());
    std::vector<float> got(64, NAN);
    cache.Attend(*table, 0, 1, got.data());
    EXPECT_EQ(got, wanted) << table->isa;
  }
}

TEST(AttentionTest, PagesInQ8Take17ThirtySecondsOfThoseInF16) {
  EXPECT_EQ(KvPageBytes(KvType::kQ8, 128, 64) * 32,
            KvPageBytes(KvType::kF16, 128, 64) * 17);
  // 80 = 32 + 32 + 16: three scales.
  EXPECT_EQ(KvPageBytes(KvType::kQ8, 80, 80), 32u * 2 * (80 + 3 * 2));
}

TEST(AttentionTest, ImpossibleQueriesAreABug) {
  const Cache cache(KvType::kF32, 8, 8, 8);
  std::vector<float> out(8);
  for (const KernelTable* table : AllTables()) {
    EXPECT_DEATH(cache.Attend(*table, 3, 3, out.data()), "3 to 3");
    AttentionArgs args = cache.Args();
    EXPECT_DEATH(table->attention(args), "0 queries");
    args.query_count = kAttentionQueriesMax + 1;
    EXPECT_DEATH(table->attention(args), "33 queries");
  }
}

}  // namespace
}  // namespace shoal::kernels
