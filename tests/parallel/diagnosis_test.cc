// A fleet simulated exchange by exchange: what ails it is named, and a remedy
// gains what was predicted.

#include "parallel/diagnosis.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::parallel {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kExchangeCount = 33;
constexpr uint32_t kPassCount = 4;
constexpr uint32_t kWindowChunks = 3;
constexpr double kWeightBytes = 400e6;
constexpr uint64_t kOtherBytes = 50'000'000;  // of each process

struct Device {
  double share = 0.25;
  double seconds = 0.2;  // to compute the whole model
  double disk_rate = 1e9;
  double memory = 1e9;  // for weights
  double round_trip = 0.3e-3;
};

// What a rank reports of its last pass, in seconds.
struct Times {
  double compute = 0;
  double stall = 0;
  double wait = 0;
  double awaited = 0;
};

class Rank {
 public:
  explicit Rank(const Device& device)
      : device_(device),
        streamed_(std::max(0.0, kWeightBytes * device.share - device.memory)) {}

  double streamed() const { return streamed_; }
  Times times;

  // When it has computed its part of an exchange that reaches it at `time`.
  double Compute(double time) {
    if (ended_ > 0) times.wait += time - ended_;
    const double chunk = streamed_ / kExchangeCount / device_.disk_rate;
    double room = 0;
    if (consumed_.size() >= kWindowChunks) {
      room = consumed_[consumed_.size() - kWindowChunks];
    }
    read_ = std::max(read_, room) + chunk;
    const double ready = streamed_ > 0 ? std::max(time, read_) : time;
    const double compute = device_.share * device_.seconds / kExchangeCount;
    times.stall += ready - time;
    times.compute += compute;
    ended_ = ready + compute;
    consumed_.push_back(ended_);
    return ended_;
  }

 private:
  const Device device_;
  const double streamed_;
  double read_ = 0;   // when the disk is done with what it was asked for
  double ended_ = 0;  // the exchange before
  std::vector<double> consumed_;
};

FleetCost Simulate(const std::vector<Device>& devices) {
  std::vector<Rank> ranks(devices.begin(), devices.end());
  double time = 0;
  for (uint32_t pass = 0; pass < kPassCount; ++pass) {
    for (Rank& rank : ranks) rank.times = Times();
    for (uint32_t e = 0; e < kExchangeCount; ++e) {
      const double own = ranks[0].Compute(time);
      double last = own;
      size_t straggler = 0;
      for (size_t r = 1; r < ranks.size(); ++r) {
        if (devices[r].share <= 0) continue;
        const double half = devices[r].round_trip / 2;
        const double here = ranks[r].Compute(time + half) + half;
        if (here > last) straggler = r;
        last = std::max(last, here);
      }
      ranks[straggler].times.awaited += last - own;
      time = last;
    }
  }
  FleetCost cost;
  cost.exchange_count = kExchangeCount;
  for (size_t r = 0; r < devices.size(); ++r) {
    const Times& times = ranks[r].times;
    DeviceCost device;
    device.name = "edge" + std::to_string(r + 1);
    device.is_hub = r == 0;
    device.compute = absl::Seconds(times.compute);
    device.stall = absl::Seconds(times.stall);
    device.wait = absl::Seconds(times.wait);
    device.awaited = absl::Seconds(times.awaited);
    if (r > 0) device.round_trip = absl::Seconds(devices[r].round_trip);
    const double share = kWeightBytes * devices[r].share;
    device.share_bytes = static_cast<uint64_t>(share);
    device.resident_bytes = static_cast<uint64_t>(share - ranks[r].streamed());
    device.budget_bytes =
        static_cast<uint64_t>(devices[r].memory) + kOtherBytes;
    device.peak_bytes = device.resident_bytes + kOtherBytes;
    device.read_bytes = ranks[r].streamed();
    device.disk_bytes_per_second = devices[r].disk_rate;
    cost.devices.push_back(std::move(device));
  }
  return cost;
}

TokenModel ModelOf(const std::vector<Device>& devices) {
  auto model = TokenModel::Create(Simulate(devices));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

double MillisecondsOf(const std::vector<Device>& devices) {
  return absl::ToDoubleMilliseconds(ModelOf(devices).measured());
}

std::vector<Device> With(std::vector<Device> devices,
                         const FleetChange& change) {
  for (size_t r = 0; r < devices.size(); ++r) {
    if (!change.shares.empty()) devices[r].share = change.shares[r];
    if (!change.memory_bytes.empty()) {
      devices[r].memory += change.memory_bytes[r];
    }
  }
  if (change.better_link) {
    devices[*change.better_link].round_trip = Device().round_trip;
  }
  return devices;
}

// Each remedy gains what it promises.
void ExpectGains(const std::vector<Device>& devices,
                 const Diagnosis& diagnosis) {
  const double was = MillisecondsOf(devices);
  for (const Remedy& remedy : diagnosis.remedies) {
    const double gain = was - MillisecondsOf(With(devices, remedy.change));
    const double promised = was - absl::ToDoubleMilliseconds(remedy.predicted);
    EXPECT_NEAR(gain, promised, 0.25 * promised)
        << remedy.what << ": " << was << " ms before";
  }
}

TEST(DiagnosisTest, NamesASlowDiskAndWhatMoreMemoryGains) {
  std::vector<Device> devices(4);
  devices[2].memory = 40e6;
  devices[2].disk_rate = 100e6;
  const Diagnosis diagnosis = Diagnose(ModelOf(devices));
  EXPECT_EQ(diagnosis.rank, 2u);
  EXPECT_EQ(diagnosis.cause, Bottleneck::kDisk) << diagnosis.why;
  EXPECT_THAT(diagnosis.why, HasSubstr("the disk of edge3"));
  ASSERT_FALSE(diagnosis.remedies.empty());
  const Remedy& first = diagnosis.remedies[0];
  EXPECT_EQ(first.kind, Remedy::Kind::kMemory);
  EXPECT_THAT(first.what, HasSubstr("give edge3 52 MiB more memory"));
  EXPECT_EQ(first.flags, "--memory 137MiB");
  ASSERT_EQ(diagnosis.remedies.size(), 3u);
  EXPECT_EQ(diagnosis.remedies[1].kind, Remedy::Kind::kShares);
  EXPECT_EQ(diagnosis.remedies[2].kind, Remedy::Kind::kWithout);
  ExpectGains(devices, diagnosis);
}

TEST(DiagnosisTest, NamesAMemoryThatIsTooSmallForItsShare) {
  std::vector<Device> devices(4);
  for (Device& device : devices) device.disk_rate = 200e6;
  devices[1].memory = 20e6;
  const Diagnosis diagnosis = Diagnose(ModelOf(devices));
  EXPECT_EQ(diagnosis.rank, 1u);
  EXPECT_EQ(diagnosis.cause, Bottleneck::kMemory) << diagnosis.why;
  ASSERT_FALSE(diagnosis.remedies.empty());
  EXPECT_EQ(diagnosis.remedies[0].kind, Remedy::Kind::kMemory);
  ExpectGains(devices, diagnosis);
}

TEST(DiagnosisTest, NamesASlowProcessorAndTheSharesThatSuitIt) {
  for (const size_t slow : {0, 3}) {
    std::vector<Device> devices(4);
    devices[slow].seconds = 0.8;
    const TokenModel model = ModelOf(devices);
    const Diagnosis diagnosis = Diagnose(model);
    EXPECT_EQ(diagnosis.rank, slow);
    EXPECT_EQ(diagnosis.cause, Bottleneck::kProcessor) << diagnosis.why;
    ASSERT_FALSE(diagnosis.remedies.empty());
    const Remedy& first = diagnosis.remedies[0];
    EXPECT_EQ(first.kind, Remedy::Kind::kShares);
    EXPECT_THAT(first.flags, HasSubstr("--shares "));
    // A quarter of the others' speed: 1 of 13 parts.
    EXPECT_NEAR(first.change.shares[slow], 1.0 / 13, 0.02);
    ExpectGains(devices, diagnosis);
  }
}

TEST(DiagnosisTest, NamesASlowLinkAndWhatItIsWorthToLeaveTheDeviceOut) {
  std::vector<Device> devices(4);
  devices[2].round_trip = 8e-3;
  const TokenModel model = ModelOf(devices);
  const Diagnosis diagnosis = Diagnose(model);
  EXPECT_EQ(diagnosis.rank, 2u);
  EXPECT_EQ(diagnosis.cause, Bottleneck::kLink) << diagnosis.why;
  EXPECT_THAT(diagnosis.why, HasSubstr("round trip 8.0 ms"));
  ASSERT_EQ(diagnosis.remedies.size(), 2u);
  EXPECT_EQ(diagnosis.remedies[0].kind, Remedy::Kind::kWithout);
  // The hub, whose frames are on no wire, can do with a little more.
  EXPECT_EQ(diagnosis.remedies[0].flags, "--shares 37,32,0,32");
  EXPECT_EQ(diagnosis.remedies[1].kind, Remedy::Kind::kLink);
  ExpectGains(devices, diagnosis);
}

// It is late with its frames, too, but not because of the network.
TEST(DiagnosisTest, AProcessorWithoutTimeIsNotTakenForASlowLink) {
  std::vector<Device> devices(4);
  devices[3].seconds = 0.6;
  FleetCost cost = Simulate(devices);
  cost.devices[3].wait += absl::Milliseconds(150);
  for (const int r : {0, 1, 2}) {
    cost.devices[static_cast<size_t>(r)].wait += absl::Milliseconds(150);
  }
  cost.devices[3].awaited += absl::Milliseconds(150);
  auto model = TokenModel::Create(cost);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(Diagnose(*model).cause, Bottleneck::kProcessor);
  // With such round trips it would be the link.
  cost.devices[3].round_trip = absl::Milliseconds(5);
  model = TokenModel::Create(cost);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(Diagnose(*model).cause, Bottleneck::kLink);
}

// It computes little, because it has a small share, and late.
TEST(DiagnosisTest, AProcessorThatWasSlowAloneIsNotTakenForASlowLink) {
  std::vector<Device> devices(4);
  devices[3].seconds = 0.24;
  FleetCost cost = Simulate(devices);
  for (DeviceCost& device : cost.devices) {
    device.wait += absl::Milliseconds(150);
    device.macs_per_second = 20e9;
  }
  cost.devices[3].awaited += absl::Milliseconds(150);
  const auto cause = [&cost] {
    const auto model = TokenModel::Create(cost);
    EXPECT_TRUE(model.ok()) << model.status();
    return Diagnose(*model).cause;
  };
  EXPECT_EQ(cause(), Bottleneck::kLink);
  cost.devices[3].macs_per_second = 8e9;
  EXPECT_EQ(cause(), Bottleneck::kProcessor);
  // With such round trips it is the link all the same.
  cost.devices[3].round_trip = absl::Milliseconds(5);
  EXPECT_EQ(cause(), Bottleneck::kLink);
}

TEST(DiagnosisTest, NothingIsProposedWhereNothingWouldHelp) {
  const Diagnosis diagnosis = Diagnose(ModelOf(std::vector<Device>(4)));
  EXPECT_TRUE(diagnosis.remedies.empty())
      << diagnosis.why << "; " << diagnosis.remedies[0].what;
}

TEST(DiagnosisTest, ADeviceWithoutRoomIsGivenNoMoreThanItCanRead) {
  // The slow processor's work would have to be read by the others.
  std::vector<Device> devices(3);
  for (Device& device : devices) {
    device.share = 1.0 / 3;
    device.memory = kWeightBytes / 3 + 1e6;
    device.disk_rate = 50e6;
  }
  devices[2].seconds = 0.8;
  const TokenModel model = ModelOf(devices);
  const auto shares = model.BestShares({});
  ASSERT_TRUE(shares);
  EXPECT_GT((*shares)[2], 0.25);
  const FleetChange change = {*shares, {}, {}};
  EXPECT_NEAR(absl::ToDoubleMilliseconds(model.Predict(change)),
              MillisecondsOf(With(devices, change)), 20);
}

TEST(DiagnosisTest, ADeviceIsNotTwiceLeftOut) {
  std::vector<Device> devices(4);
  devices[3].seconds = 40;
  const Diagnosis diagnosis = Diagnose(ModelOf(devices));
  EXPECT_EQ(diagnosis.rank, 3u);
  ASSERT_EQ(diagnosis.remedies.size(), 1u);
  EXPECT_EQ(diagnosis.remedies[0].kind, Remedy::Kind::kWithout);
  EXPECT_EQ(diagnosis.remedies[0].flags, "--shares 37,32,32,0");
}

TEST(DiagnosisTest, OfADiskThatNobodyMeasuredNothingIsPromised) {
  std::vector<Device> devices(3);
  for (Device& device : devices) {
    device.share = 1.0 / 3;
    device.memory = 1.05 * kWeightBytes / 3;
  }
  devices[2].seconds = 0.8;
  FleetCost cost = Simulate(devices);
  for (DeviceCost& device : cost.devices) device.disk_bytes_per_second = 0;
  auto model = TokenModel::Create(cost);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto shares = model->BestShares({});
  ASSERT_TRUE(shares);
  // No more than fits beside what they have.
  EXPECT_NEAR((*shares)[0], 0.35, 0.001);
  EXPECT_NEAR((*shares)[1], 0.35, 0.001);
  EXPECT_EQ(model->BestShares(2), std::nullopt);

  // One that reads, and never waits for it, can do that again.
  cost.devices[1].read_bytes = 10e6;
  cost.devices[1].resident_bytes -= 10'000'000;
  model = TokenModel::Create(cost);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_GT(model->ReadRate(1), 0);
  EXPECT_EQ(model->Predict({}), model->measured());
}

TEST(DiagnosisTest, NothingMeasuredIsAnError) {
  EXPECT_FALSE(TokenModel::Create(FleetCost()).ok());
  FleetCost cost;
  cost.devices.resize(2);
  EXPECT_THAT(TokenModel::Create(cost).status().message(),
              HasSubstr("no token has been generated"));
}

TEST(DiagnosisTest, WithoutAChangeTheModelSaysWhatWasMeasured) {
  std::vector<Device> devices(4);
  devices[1].memory = 30e6;
  devices[1].disk_rate = 300e6;
  devices[3].round_trip = 2e-3;
  const TokenModel model = ModelOf(devices);
  EXPECT_EQ(model.Predict({}), model.measured());
}

}  // namespace
}  // namespace shoal::parallel
