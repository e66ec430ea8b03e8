// The rank engine's store, window and failures, on ranks in threads.

#include "worker/rank_engine.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

using parallel::RankReport;
using parallel::WeightsMode;
using testing::FleetOptions;
using ::testing::HasSubstr;
using testing::InProcessFleet;
using testing::TemporaryFolder;

constexpr uint32_t kDecodePasses = 6;

std::string ModelPath() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source,
                      "/models/shoal-stories-3m-q8_0.gguf");
}

// A prompt of 20 tokens, then single ones; the logits of each.
absl::StatusOr<std::vector<float>> Generate(InProcessFleet& fleet) {
  std::vector<int32_t> tokens(20);
  for (int32_t i = 0; i < 20; ++i) tokens[i] = 260 + i * 11;
  auto logits = fleet.Evaluate(tokens, 0, 1);
  for (uint32_t i = 0; logits.ok() && i < kDecodePasses; ++i) {
    auto next = fleet.Evaluate(std::span(tokens).first(1), 20 + i, 1);
    if (!next.ok()) return next;
    logits->insert(logits->end(), next->begin(), next->end());
  }
  return logits;
}

FleetOptions TwoRanks(const std::string& store_root) {
  FleetOptions options;
  options.rank_count = 2;
  options.shares = {2, 1};
  options.store_root = store_root;
  return options;
}

std::unique_ptr<InProcessFleet> Start(const FleetOptions& options) {
  auto fleet = InProcessFleet::Create(ModelPath(), options);
  EXPECT_TRUE(fleet.ok()) << fleet.status();
  return fleet.ok() ? *std::move(fleet) : nullptr;
}

uint64_t FetchedBytes(const InProcessFleet& fleet) {
  uint64_t bytes = 0;
  for (const RankReport& report : fleet.Reports()) {
    bytes += report.fetched_bytes;
  }
  return bytes;
}

TEST(RankEngineTest, EachPassReadsTheShareLessTheResidentsToTheByte) {
  TemporaryFolder folder;
  FleetOptions options = TwoRanks(folder.path());
  std::vector<float> expected;
  // From almost nothing to everything: the fixed cost of tests is 0.
  for (const uint64_t budget_kib : {3200, 3500, 4000, 4600, 8000}) {
    options.budget_bytes = budget_kib << 10;
    options.chunk_tokens = 8;
    const auto fleet = Start(options);
    ASSERT_NE(fleet, nullptr) << budget_kib;
    const auto logits = Generate(*fleet);
    ASSERT_TRUE(logits.ok()) << logits.status();
    if (expected.empty()) expected = *logits;
    EXPECT_EQ(std::memcmp(expected.data(), logits->data(),
                          expected.size() * sizeof(float)),
              0)
        << budget_kib;
    for (const RankReport& report : fleet->ReportsAfter(kDecodePasses - 1)) {
      ASSERT_EQ(report.decode_passes, kDecodePasses - 1);
      EXPECT_EQ(
          report.decode_read_bytes,
          report.decode_passes * (report.share_bytes - report.resident_bytes))
          << budget_kib << " KiB, rank " << report.rank;
    }
  }
}

// What passes between the first decode pass and the last: passes, and the time
// in which rank 0 has other things to do.
TEST(RankEngineTest, TheFourPartsOfADevicesTimeAddUpToTheTimeBetweenTokens) {
  constexpr absl::Duration kPause = absl::Milliseconds(5);
  TemporaryFolder folder;
  const auto fleet = Start(TwoRanks(folder.path()));
  ASSERT_NE(fleet, nullptr);
  const std::vector<int32_t> token = {300};
  ASSERT_TRUE(fleet->Evaluate(token, 0, 1).ok());
  const absl::Time begin = absl::Now();
  for (uint32_t i = 1; i <= kDecodePasses; ++i) {
    const absl::Time pause = absl::Now() + kPause;
    while (absl::Now() < pause) std::this_thread::yield();
    ASSERT_TRUE(fleet->Evaluate(token, i, 1).ok());
  }
  const absl::Duration all = absl::Now() - begin;
  const RankReport first = fleet->Reports()[0];
  const absl::Duration parts =
      first.compute + first.stall + first.wait + first.exchange;
  EXPECT_LE(parts, all);
  EXPECT_GE(parts, kDecodePasses * kPause);
  const RankReport second = fleet->ReportsAfter(kDecodePasses - 1)[1];
  EXPECT_GE(second.wait, (kDecodePasses - 1) * kPause);
}

TEST(RankEngineTest, AHeadOnTheCoordinatorGivesTheSameBitsAndStaysThere) {
  std::vector<float> expected;
  for (const auto head : {parallel::HeadPlacement::kSharded,
                          parallel::HeadPlacement::kCoordinator}) {
    for (const uint32_t stages : {1, 3}) {
      TemporaryFolder folder;
      FleetOptions options;
      options.store_root = folder.path();
      options.rank_count = 3;
      options.pipeline_parallel = stages;
      options.head = head;
      const auto fleet = Start(options);
      ASSERT_NE(fleet, nullptr);
      const auto logits = Generate(*fleet);
      ASSERT_TRUE(logits.ok()) << logits.status();
      if (expected.empty()) expected = *logits;
      EXPECT_EQ(*logits, expected) << stages << " stages";
      if (head == parallel::HeadPlacement::kSharded) continue;
      for (const parallel::UnitRange& range : fleet->plan().ranges) {
        if (fleet->units().unit(range.begin).spec.id.kind ==
            base::UnitKind::kHead) {
          EXPECT_EQ(range.rank, 0u);
        }
      }
    }
  }
}

// With two ranks and more, long passes are exchanged and computed in halves,
// but for ranks that stream and plans whose halves would not fit into the
// queues.
TEST(RankEngineTest, PassInHalvesGivesTheBitsOfThePassAsAWhole) {
  std::vector<int32_t> tokens(101);
  for (int32_t i = 0; i < 101; ++i) tokens[i] = 260 + i * 3;
  std::vector<float> expected;
  for (const uint32_t rank_count : {1, 2, 3}) {
    for (const auto weights : {WeightsMode::kResident, WeightsMode::kStream}) {
      for (const auto collective :
           {parallel::Collective::kFusedStar, parallel::Collective::kStar}) {
        TemporaryFolder folder;
        FleetOptions options;
        options.store_root = folder.path();
        options.rank_count = rank_count;
        options.shares.resize(rank_count, 1);
        options.chunk_tokens = 101;
        options.run.weights = weights;
        options.collective = collective;
        options.transport = parallel::Transport::kTcp;
        const auto fleet = Start(options);
        ASSERT_NE(fleet, nullptr);
        auto logits = fleet->Evaluate(tokens, 0, 1);
        ASSERT_TRUE(logits.ok()) << logits.status();
        // What the halves left in the KV.
        const auto next = fleet->Evaluate(std::span(tokens).first(1), 101, 1);
        ASSERT_TRUE(next.ok()) << next.status();
        logits->insert(logits->end(), next->begin(), next->end());
        if (expected.empty()) expected = *logits;
        EXPECT_EQ(std::memcmp(expected.data(), logits->data(),
                              expected.size() * sizeof(float)),
                  0)
            << rank_count << " ranks";
      }
    }
  }
}

TEST(RankEngineTest, StreamKeepsNothingAndResidentReadsNothing) {
  TemporaryFolder folder;
  FleetOptions options = TwoRanks(folder.path());
  options.run.weights = WeightsMode::kStream;
  {
    const auto fleet = Start(options);
    ASSERT_NE(fleet, nullptr);
    ASSERT_TRUE(Generate(*fleet).ok());
    for (const RankReport& report : fleet->ReportsAfter(1)) {
      EXPECT_EQ(report.resident_bytes, 0u);
      EXPECT_GT(report.decode_read_bytes, 0u);
    }
  }
  options.run.weights = WeightsMode::kResident;
  const auto fleet = Start(options);
  ASSERT_NE(fleet, nullptr);
  ASSERT_TRUE(Generate(*fleet).ok());
  for (const RankReport& report : fleet->Reports()) {
    EXPECT_EQ(report.resident_bytes, report.share_bytes);
    EXPECT_EQ(report.read_bytes, 0u);
  }
}

TEST(RankEngineTest, ASecondStartIsSentNoUnits) {
  TemporaryFolder folder;
  const FleetOptions options = TwoRanks(folder.path());
  EXPECT_GT(FetchedBytes(*Start(options)), 3'000'000u);
  EXPECT_EQ(FetchedBytes(*Start(options)), 0u);
}

TEST(RankEngineTest, AnotherInstructionSetRepacksAndIsSentNoUnits) {
  TemporaryFolder folder;
  FleetOptions options = TwoRanks(folder.path());
  options.isa = "scalar";
  EXPECT_GT(FetchedBytes(*Start(options)), 0u);
  options.isa = "auto";
  auto fleet = Start(options);
  EXPECT_EQ(FetchedBytes(*fleet), 0u);
  const auto repacked = Generate(*fleet);
  fleet.reset();
  TemporaryFolder fresh;
  const auto fetched = Generate(*Start(TwoRanks(fresh.path())));
  ASSERT_TRUE(repacked.ok() && fetched.ok());
  EXPECT_EQ(*repacked, *fetched);
}

// The store's file of one rank.
std::string UnitsFile(const std::string& store_root, uint32_t rank) {
  const std::string folder = absl::StrCat(store_root, "/rank-", rank);
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".bin") return entry.path().string();
  }
  return "";
}

TEST(RankEngineTest, FlippedBytesInTheStoreAreFetchedAgain) {
  for (const WeightsMode mode :
       {WeightsMode::kStream, WeightsMode::kResident}) {
    TemporaryFolder folder;
    FleetOptions options = TwoRanks(folder.path());
    options.run.weights = mode;
    auto fleet = Start(options);
    const auto expected = Generate(*fleet);
    fleet.reset();
    const std::string path = UnitsFile(folder.path(), 0);
    ASSERT_NE(path, "");
    std::vector<char> before(std::filesystem::file_size(path));
    std::ifstream(path, std::ios::binary).read(before.data(), before.size());
    std::vector<char> damaged = before;
    for (size_t i = 700; i < damaged.size(); i += 100'000) damaged[i] ^= 4;
    std::ofstream(path, std::ios::binary | std::ios::in)
        .write(damaged.data(), damaged.size());
    fleet = Start(options);
    ASSERT_NE(fleet, nullptr);
    const auto again = Generate(*fleet);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*expected, *again);
    fleet.reset();
    std::vector<char> after(before.size());
    std::ifstream(path, std::ios::binary).read(after.data(), after.size());
    size_t still_damaged = 0;
    for (size_t i = 700; i < after.size(); i += 100'000) {
      // Places that no unit covers are not looked at.
      still_damaged += before[i] != 0 && after[i] != before[i];
    }
    EXPECT_EQ(still_damaged, 0u);
  }
}

// Ends after some units, as a lost coordinator would.
class CutFetcher final : public parallel::UnitFetcher {
 public:
  CutFetcher(UnitFetcher& inner, uint32_t units)
      : inner_(inner), left_(units) {}
  absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) override {
    return inner_.Fetch(items, [&](const Unit& unit) -> absl::Status {
      if (left_ == 0) return absl::UnavailableError("the coordinator is gone");
      --left_;
      sent_ += unit.unchanged ? 0 : 1;
      return sink(unit);
    });
  }
  uint32_t sent() const { return sent_; }

 private:
  UnitFetcher& inner_;
  uint32_t left_;
  uint32_t sent_ = 0;
};

TEST(RankEngineTest, AFetchThatWasCutGoesOnWhereItEnded) {
  TemporaryFolder folder;
  auto header = model::GgufHeader::ReadFile(ModelPath());
  auto spec = model::LoadModelSpec(*header);
  auto units = model::UnitTable::Create(*spec, *header);
  auto source = model::UnitSource::Open(ModelPath());
  ASSERT_TRUE(units.ok() && source.ok());
  testing::LocalFetcher all(*units, **source);
  parallel::RankSetup setup;
  setup.plan.device_names = {"alone"};
  setup.plan.stages = {{0, 0, spec->layer_count()},
                       {0, spec->layer_count(), spec->layer_count() + 1}};
  const auto specs = units->Specs();
  for (uint32_t i = 0; i < specs.size(); ++i) {
    if (specs[i].id.kind == base::UnitKind::kHub) continue;
    const bool same_run = !setup.plan.ranges.empty() &&
                          setup.plan.ranges.back().end == i &&
                          specs[i].id.kind == specs[i - 1].id.kind &&
                          specs[i].id.phase == specs[i - 1].id.phase &&
                          specs[i].id.layer == specs[i - 1].id.layer;
    if (same_run) {
      setup.plan.ranges.back().end = i + 1;
    } else {
      setup.plan.ranges.push_back({0, i, i + 1});
    }
  }
  setup.model.id = "cut";
  setup.model.header = header->Serialize("tokenizer.");
  setup.model.file_size = header->file_size();
  setup.budget_bytes = 64 << 20;
  RankEngine::Options options;
  options.store_directory = folder.path();
  const auto unit_count = static_cast<uint32_t>(specs.size());
  {
    CutFetcher cut(all, 30);
    auto engine = RankEngine::Create(options);
    const absl::Status status = (*engine)->Load(setup, cut, [](const auto&) {});
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(cut.sent(), 30u);
  }
  CutFetcher rest(all, unit_count);
  auto engine = RankEngine::Create(options);
  const absl::Status status = (*engine)->Load(setup, rest, [](const auto&) {});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(rest.sent(), unit_count - 30);
}

TEST(RankEngineTest, ABudgetBelowTheFloorIsRefusedWithTheFloor) {
  TemporaryFolder folder;
  FleetOptions options = TwoRanks(folder.path());
  options.budget_bytes = 100 << 10;
  const auto fleet = InProcessFleet::Create(ModelPath(), options);
  EXPECT_EQ(fleet.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(fleet.status().message()), HasSubstr("rank-"));
}

TEST(RankEngineTest, TooManyThreadsAndAnUnknownIsaAreRefused) {
  RankEngine::Options options;
  options.threads = 0;
  EXPECT_EQ(RankEngine::Create(options).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.threads = 1;
  options.isa = "mmx";
  EXPECT_THAT(std::string(RankEngine::Create(options).status().message()),
              HasSubstr("mmx"));
}

// What the kernel below uses; it is a plain function.
struct AbortingKernels {
  const kernels::KernelTable* real = nullptr;
  RankEngine* engine = nullptr;  // that the first product aborts
  int products = 0;
};
AbortingKernels* aborting = nullptr;

void AbortingProduct(const kernels::WeightMatrix& weights, uint32_t row_begin,
                     uint32_t row_end, const kernels::ActivationView& input,
                     const kernels::ProductOutput& output) {
  aborting->real->product(weights, row_begin, row_end, input, output);
  if (aborting->products++ > 0 || aborting->engine == nullptr) return;
  aborting->engine->Abort(absl::UnavailableError("told to stop"));
}

TEST(RankEngineTest, AnAbortEndsAPassThatHasBegunThoughNobodyElseIsInIt) {
  AbortingKernels own;
  const auto real = kernels::SelectKernels("auto");
  ASSERT_TRUE(real.ok()) << real.status();
  own.real = *real;
  aborting = &own;
  kernels::KernelTable table = **real;
  table.product = &AbortingProduct;
  const TemporaryFolder folder;
  FleetOptions options;
  options.store_root = folder.path();
  options.kernels = &table;
  const auto fleet = Start(options);
  const std::vector<int32_t> token = {300};
  ASSERT_TRUE(fleet->Evaluate(token, 0, 1).ok());
  const int whole_pass = std::exchange(own.products, 0);
  own.engine = &fleet->rank(0);
  const auto ended = fleet->Evaluate(token, 1, 1);
  EXPECT_EQ(ended.status(), absl::UnavailableError("told to stop"));
  // Those of its phase, not of all layers.
  EXPECT_LT(own.products, whole_pass / 4);
}

}  // namespace
}  // namespace shoal::worker
