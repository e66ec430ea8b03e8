#include "parallel/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"

namespace shoal::parallel {
namespace {

// Hubs that wait less than this part of a token for others bind themselves.
constexpr double kAwaitedNotable = 0.1;
// A disk below this part of what the others' disks do is a slow one.
constexpr double kSlowDiskPart = 0.5;
// A link that is to blame is not beside a processor that computes longer than
// the others by this part of the time on the wire.
constexpr double kDelayingPart = 0.1;
// A processor below this part of what the others' do is a slow one.
constexpr double kSlowProcessorPart = 0.5;
// The time on the wire that round trips of small messages explain.
constexpr double kRoundTripSlack = 1.2;
// A remedy that gains less is not worth the trouble.
constexpr double kGainNotable = 0.05;
// More that gains less than this again is not asked for.
constexpr double kAlmostBest = 1.01;
// Shares are told in parts of this.
constexpr double kShareParts = 100;
// More memory is asked for in steps of this.
constexpr uint64_t kMemoryStep = base::kMiB;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

// Of `value` of the devices beside `rank`.
template <typename Value>
double MedianOfOthers(const FleetCost& cost, uint32_t rank, Value value) {
  std::vector<double> values;
  for (uint32_t r = 0; r < cost.devices.size(); ++r) {
    if (r != rank && cost.devices[r].share_bytes > 0) {
      values.push_back(value(r));
    }
  }
  return Median(std::move(values));
}

std::string Milliseconds(absl::Duration time) {
  const double value = absl::ToDoubleMilliseconds(time);
  return absl::StrFormat("%.*f ms", value < 10 ? 1 : 0, value);
}

std::string Rate(double bytes_per_second) {
  return absl::StrCat(
      base::FormatByteSize(static_cast<uint64_t>(bytes_per_second)), "/s");
}

// The rank whose end the others wait for.
uint32_t SlowestRank(const TokenModel& model) {
  const auto& devices = model.cost().devices;
  uint32_t slowest = 0;
  for (uint32_t r = 1; r < devices.size(); ++r) {
    if (devices[r].awaited > devices[slowest].awaited) slowest = r;
  }
  if (devices[slowest].awaited >= kAwaitedNotable * model.measured()) {
    return slowest;
  }
  // Nobody is waited for: the hub that is busiest.
  for (uint32_t r = 0; r < devices.size(); ++r) {
    const auto busy = [&](uint32_t rank) {
      return devices[rank].compute + devices[rank].stall;
    };
    if (devices[r].is_hub &&
        (!devices[slowest].is_hub || busy(r) > busy(slowest))) {
      slowest = r;
    }
  }
  return slowest;
}

Bottleneck CauseOf(const TokenModel& model, uint32_t rank) {
  const FleetCost& cost = model.cost();
  const DeviceCost& device = cost.devices[rank];
  const double stall = absl::ToDoubleSeconds(device.stall);
  const double compute =
      absl::ToDoubleSeconds(device.compute) -
      MedianOfOthers(cost, rank, [&](uint32_t r) {
        return absl::ToDoubleSeconds(cost.devices[r].compute);
      });
  double wire = 0;
  absl::Duration best_round_trip = absl::InfiniteDuration();
  if (!device.is_hub) {
    absl::Duration best = absl::InfiniteDuration();
    for (uint32_t r = 0; r < cost.devices.size(); ++r) {
      const DeviceCost& other = cost.devices[r];
      if (r == rank || other.is_hub || other.share_bytes == 0) continue;
      best = std::min(best, model.WireTime(r));
      best_round_trip =
          std::min(best_round_trip, other.round_trip.value_or(best_round_trip));
    }
    if (best == absl::InfiniteDuration()) best = absl::ZeroDuration();
    wire = absl::ToDoubleSeconds(model.WireTime(rank) - best);
  }
  // A processor that is short of time delays its frames, too: longer than the
  // round trips of small messages explain, beside those of the others.
  const double others_macs = MedianOfOthers(
      cost, rank, [&](uint32_t r) { return cost.devices[r].macs_per_second; });
  const bool is_slow =
      compute > kDelayingPart * wire ||
      (compute > 0 && device.macs_per_second > 0 &&
       device.macs_per_second < kSlowProcessorPart * others_macs);
  absl::Duration round_trip = device.round_trip.value_or(absl::ZeroDuration());
  if (best_round_trip < absl::InfiniteDuration()) {
    round_trip = std::max(round_trip - best_round_trip, absl::ZeroDuration());
  }
  const bool delays = device.round_trip && is_slow &&
                      wire > kRoundTripSlack *
                                 absl::ToDoubleSeconds(round_trip) *
                                 cost.exchange_count;
  if (wire > stall && wire > compute && !delays) return Bottleneck::kLink;
  if (compute >= stall) return Bottleneck::kProcessor;
  const double others = MedianOfOthers(cost, rank, [&](uint32_t r) {
    return cost.devices[r].disk_bytes_per_second;
  });
  return model.ReadRate(rank) < kSlowDiskPart * others ? Bottleneck::kDisk
                                                       : Bottleneck::kMemory;
}

std::string WhyOf(const TokenModel& model, uint32_t rank, Bottleneck cause) {
  const FleetCost& cost = model.cost();
  const DeviceCost& device = cost.devices[rank];
  const std::string reads = absl::StrCat(
      "it reads ",
      base::FormatByteSize(static_cast<uint64_t>(device.read_bytes)),
      " for each token at ", Rate(model.ReadRate(rank)), " and waits ",
      Milliseconds(device.stall), " for it");
  switch (cause) {
    case Bottleneck::kDisk:
      return absl::StrCat("the disk of ", device.name, ": ", reads,
                          "; other disks here do ",
                          Rate(MedianOfOthers(cost, rank, [&](uint32_t r) {
                            return cost.devices[r].disk_bytes_per_second;
                          })));
    case Bottleneck::kMemory:
      return absl::StrCat(
          "the memory of ", device.name, ": of its share of ",
          base::FormatByteSize(device.share_bytes), " only ",
          base::FormatByteSize(device.resident_bytes), " fit its ",
          base::FormatByteSize(device.budget_bytes), "; ", reads);
    case Bottleneck::kProcessor:
      return absl::StrFormat(
          "the processor of %s: it computes %s for %.0f%% of the model; the "
          "others take %s in the middle",
          device.name, Milliseconds(device.compute), 100 * model.shares()[rank],
          Milliseconds(
              absl::Seconds(MedianOfOthers(cost, rank, [&](uint32_t r) {
                return absl::ToDoubleSeconds(cost.devices[r].compute);
              }))));
    case Bottleneck::kLink:
      return absl::StrCat(
          "the link to ", device.name, ": ", Milliseconds(model.WireTime(rank)),
          " of each token are spent on ", cost.exchange_count,
          " exchanges over it",
          device.round_trip
              ? absl::StrCat(" (round trip ", Milliseconds(*device.round_trip),
                             ")")
              : "");
  }
  return "";
}

std::string SharesFlag(const std::vector<double>& shares) {
  return absl::StrCat(
      "--shares ",
      absl::StrJoin(shares, ",", [](std::string* out, double share) {
        absl::StrAppend(out, std::lround(share * kShareParts));
      }));
}

// As much more memory as helps.
std::optional<Remedy> MoreMemory(const TokenModel& model, uint32_t rank) {
  const DeviceCost& device = model.cost().devices[rank];
  if (device.read_bytes <= 0) return std::nullopt;
  Remedy remedy;
  remedy.kind = Remedy::Kind::kMemory;
  remedy.change.memory_bytes.assign(model.cost().devices.size(), 0);
  double& memory = remedy.change.memory_bytes[rank];
  const auto streamed =
      static_cast<double>(device.share_bytes - device.resident_bytes);
  memory = streamed;
  const absl::Duration best = model.Predict(remedy.change);
  // The least that comes to the same.
  double low = 0;
  double high = streamed;
  while (high - low > static_cast<double>(kMemoryStep)) {
    memory = (low + high) / 2;
    (model.Predict(remedy.change) > kAlmostBest * best ? low : high) = memory;
  }
  const auto bytes = base::AlignUp(static_cast<uint64_t>(high), kMemoryStep);
  memory = static_cast<double>(bytes);
  remedy.what = absl::StrCat("give ", device.name, " ",
                             base::FormatByteSize(bytes), " more memory");
  remedy.flags = absl::StrCat(
      "--memory ", (device.budget_bytes + bytes) / base::kMiB, "MiB");
  return remedy;
}

std::optional<Remedy> OtherShares(const TokenModel& model, uint32_t rank,
                                  Remedy::Kind kind) {
  const bool without = kind == Remedy::Kind::kWithout;
  const std::string& name = model.cost().devices[rank].name;
  auto shares = model.BestShares(without ? std::optional(rank) : std::nullopt);
  if (!shares) return std::nullopt;
  // That is to leave it out, which is another remedy.
  if (!without && !model.cost().devices[rank].is_hub &&
      std::lround(kShareParts * (*shares)[rank]) == 0) {
    return std::nullopt;
  }
  Remedy remedy;
  remedy.kind = kind;
  remedy.what =
      without ? absl::StrCat("leave ", name, " out")
              : absl::StrFormat("give %s %.0f%% of the model instead of %.0f%%",
                                name, 100 * (*shares)[rank],
                                100 * model.shares()[rank]);
  remedy.flags = SharesFlag(*shares);
  remedy.change.shares = *std::move(shares);
  return remedy;
}

Remedy BetterLink(const TokenModel& model, uint32_t rank) {
  Remedy remedy;
  remedy.kind = Remedy::Kind::kLink;
  remedy.what = absl::StrCat("give ", model.cost().devices[rank].name,
                             " a link as good as the best of the others");
  remedy.change.better_link = rank;
  return remedy;
}

}  // namespace

Diagnosis Diagnose(const TokenModel& model) {
  Diagnosis diagnosis;
  const uint32_t rank = SlowestRank(model);
  diagnosis.rank = rank;
  diagnosis.cause = CauseOf(model, rank);
  diagnosis.why = WhyOf(model, rank, diagnosis.cause);
  const auto add = [&](std::optional<Remedy> remedy) {
    if (!remedy) return;
    remedy->predicted = model.Predict(remedy->change);
    if (remedy->predicted > (1 - kGainNotable) * model.measured()) return;
    diagnosis.remedies.push_back(*std::move(remedy));
  };
  const bool is_link = diagnosis.cause == Bottleneck::kLink;
  add(MoreMemory(model, rank));
  if (!is_link) add(OtherShares(model, rank, Remedy::Kind::kShares));
  if (!model.cost().devices[rank].is_hub) {
    add(OtherShares(model, rank, Remedy::Kind::kWithout));
  }
  if (is_link) add(BetterLink(model, rank));
  return diagnosis;
}

}  // namespace shoal::parallel
