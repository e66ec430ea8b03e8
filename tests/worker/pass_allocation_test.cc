// What a pass takes from the heap once everything was used before: nothing.

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace {

// Of all threads of the process, while `counting`.
std::atomic<bool> counting = false;
std::atomic<uint64_t> allocation_count = 0;

// Null: there is no memory.
void* TryAllocate(size_t bytes, size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) ++allocation_count;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, bytes);
}

void* Allocate(size_t bytes, size_t alignment) {
  void* place = TryAllocate(bytes, alignment);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}

// Never inlined: GCC would see free() of what came from operator new, and warn
// where it has not inlined that, too.
[[gnu::noinline]] void Release(void* place) { std::free(place); }

}  // namespace

void* operator new(size_t bytes) { return Allocate(bytes, 16); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<size_t>(alignment));
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return TryAllocate(bytes, 16);  // std::stable_sort asks here
}
void operator delete(void* place) noexcept { Release(place); }
void operator delete(void* place, size_t) noexcept { Release(place); }
void operator delete(void* place, std::align_val_t) noexcept { Release(place); }
void operator delete(void* place, size_t, std::align_val_t) noexcept {
  Release(place);
}

namespace shoal::worker {
namespace {

using parallel::WeightsMode;
using testing::InProcessFleet;

std::string FileOf(const std::string& name) {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source, "/", name);
}

testing::FleetOptions OptionsOf(const std::string& store_root,
                                WeightsMode weights, uint32_t rank_count) {
  testing::FleetOptions options;
  options.rank_count = rank_count;
  options.shares.resize(rank_count, 1);
  options.transport = parallel::Transport::kTcp;
  options.store_root = store_root;
  options.threads = 2;
  options.chunk_tokens = 8;
  options.run.weights = weights;
  options.run.context_positions = 256;
  return options;
}

// Allocations of single-token passes at positions [begin, end).
uint64_t CountAllocations(InProcessFleet& fleet, uint32_t begin, uint32_t end) {
  std::vector<float> embedded(fleet.spec().hidden, 0.25f);
  std::vector<float> logits(fleet.spec().vocabulary);
  parallel::Pass pass;
  pass.epoch = fleet.plan().epoch;
  parallel::PassRow& row = pass.rows.emplace_back();
  row.token_count = 1;
  row.logits_count = 1;
  allocation_count = 0;
  for (uint32_t position = begin; position < end; ++position) {
    pass.number = 1000 + position;
    row.first_position = row.truncate_to = position;
    counting = true;
    const absl::Status status = fleet.rank(0).RunPass(pass, embedded, logits);
    counting = false;
    EXPECT_TRUE(status.ok()) << status;
  }
  return allocation_count;
}

class PassAllocationTest : public ::testing::TestWithParam<
                               std::tuple<const char*, WeightsMode, uint32_t>> {
};

TEST_P(PassAllocationTest, DecodingTakesNothingFromTheHeap) {
  const auto& [file, weights, rank_count] = GetParam();
  testing::TemporaryFolder folder;
  const auto fleet = InProcessFleet::Create(
      FileOf(file), OptionsOf(folder.path(), weights, rank_count));
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const std::vector<int32_t> prompt(20, 300);
  ASSERT_TRUE((*fleet)->Evaluate(prompt, 0, 1).ok());
  // Warm-up, then over the borders of pages.
  CountAllocations(**fleet, 20, 24);
  EXPECT_EQ(CountAllocations(**fleet, 24, 120), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Models, PassAllocationTest,
    ::testing::Combine(::testing::Values("models/shoal-stories-3m-q8_0.gguf"),
                       ::testing::Values(WeightsMode::kResident,
                                         WeightsMode::kStream),
                       ::testing::Values(1, 2)));

}  // namespace
}  // namespace shoal::worker
