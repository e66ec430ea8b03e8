#include "parallel/token_model.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace shoal::parallel {
namespace {

// A rank that waits so much of a token for its disk reads all the time.
constexpr double kStallNotable = 0.02;
// Halvings of the interval in which the best time is sought.
constexpr int kSearchSteps = 60;

absl::Duration Busy(const DeviceCost& device) {
  return device.compute + device.stall + device.exchange;
}

}  // namespace

absl::StatusOr<TokenModel> TokenModel::Create(FleetCost cost) {
  if (cost.devices.empty()) {
    return absl::InvalidArgumentError("no device has reported");
  }
  TokenModel model(std::move(cost));
  const auto& devices = model.cost_.devices;
  model.measured_ = Busy(devices[0]) + devices[0].wait;
  if (model.measured_ <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "no token has been generated yet: nothing has been measured");
  }
  double all = 0;
  for (const DeviceCost& device : devices) {
    all += static_cast<double>(device.share_bytes);
  }
  for (const DeviceCost& device : devices) {
    model.shares_.push_back(
        all > 0 ? static_cast<double>(device.share_bytes) / all : 0);
  }
  model.FindWireTimes();
  model.FindReadTimes();
  model.rest_ = absl::ZeroDuration();
  model.rest_ = model.measured_ - model.Predict({});
  return model;
}

// The rank that its hub waits for has nothing to wait for but the wire. The
// others wait for that one, too, and what of it is theirs follows from their
// round trips.
void TokenModel::FindWireTimes() {
  const auto& devices = cost_.devices;
  for (const DeviceCost& device : devices) {
    absl::Duration hub_exchange;
    absl::Duration awaited;
    const DeviceCost* last = nullptr;
    absl::Duration least = absl::InfiniteDuration();
    for (const DeviceCost& other : devices) {
      if (other.stage != device.stage) continue;
      if (other.is_hub) {
        hub_exchange = other.exchange;
        continue;
      }
      least = std::min(least, other.wait);
      if (other.awaited > awaited) {
        awaited = other.awaited;
        last = &other;
      }
    }
    if (device.is_hub || device.share_bytes == 0) {
      wire_.push_back(absl::ZeroDuration());
    } else if (&device == last) {
      wire_.push_back(device.wait);
    } else if (device.round_trip) {
      wire_.push_back(std::min(
          device.wait,
          hub_exchange +
              *device.round_trip * (cost_.exchange_count / cost_.stage_count)));
    } else {
      wire_.push_back(least);
    }
  }
}

// A device whose disk binds reads all the time but for what it waits for
// others; one that never waits for its disk is taken to read as fast as it did
// alone, or, if nobody knows how fast that was, no faster than it had to.
void TokenModel::FindReadTimes() {
  for (size_t r = 0; r < cost_.devices.size(); ++r) {
    const DeviceCost& device = cost_.devices[r];
    absl::Duration time;
    double rate = device.disk_bytes_per_second;
    if (device.read_bytes > 0 && device.stall > kStallNotable * measured_) {
      const absl::Duration idle =
          std::max(device.wait - wire_[r], absl::ZeroDuration());
      time = device.is_hub ? measured_ : measured_ - idle;
    } else if (device.read_bytes > 0) {
      time = Busy(device) + wire_[r];
      if (rate > 0) {
        time = std::min(time, absl::Seconds(device.read_bytes / rate));
      }
    }
    if (time > absl::ZeroDuration()) {
      rate = device.read_bytes / absl::ToDoubleSeconds(time);
    }
    read_time_.push_back(time);
    read_rate_.push_back(rate);
  }
}

absl::Duration TokenModel::RankTime(uint32_t rank, double factor,
                                    absl::Duration wire) const {
  const DeviceCost& device = cost_.devices[rank];
  // A rank without units takes part in no exchange.
  if (factor <= 0 && !device.is_hub) return absl::ZeroDuration();
  return device.compute * factor + device.exchange + wire;
}

absl::Duration TokenModel::ReadTimeOf(uint32_t rank, double factor,
                                      double memory) const {
  const DeviceCost& device = cost_.devices[rank];
  if (device.read_bytes <= 0 && factor <= 1) return absl::ZeroDuration();
  const auto share = static_cast<double>(device.share_bytes);
  const auto resident = static_cast<double>(device.resident_bytes);
  // What its budget leaves can hold weights, too.
  double room = resident + memory;
  if (device.read_bytes <= 0 && device.peak_bytes > 0 &&
      device.budget_bytes > device.peak_bytes) {
    room += static_cast<double>(device.budget_bytes - device.peak_bytes);
  }
  const double streamed = share * factor - room;
  if (streamed <= 0) return absl::ZeroDuration();
  // Units without a chosen expert are not read.
  const double part = device.read_bytes > 0 && share > resident
                          ? device.read_bytes / (share - resident)
                          : 1;
  // Of a disk that nobody has measured, nothing may be promised.
  if (read_rate_[rank] <= 0) return absl::InfiniteDuration();
  return absl::Seconds(streamed * part / read_rate_[rank]);
}

absl::Duration TokenModel::BestWireTime() const {
  absl::Duration best = absl::InfiniteDuration();
  for (uint32_t r = 0; r < cost_.devices.size(); ++r) {
    const DeviceCost& device = cost_.devices[r];
    if (device.is_hub || device.share_bytes == 0) continue;
    best = std::min(best, wire_[r]);
  }
  return best;
}

absl::Duration TokenModel::Predict(const FleetChange& change) const {
  std::vector<absl::Duration> stages(cost_.stage_count);
  absl::Duration reading;
  for (uint32_t r = 0; r < cost_.devices.size(); ++r) {
    const double factor = change.shares.empty() || shares_[r] <= 0
                              ? 1
                              : change.shares[r] / shares_[r];
    const double memory =
        change.memory_bytes.empty() ? 0 : change.memory_bytes[r];
    const absl::Duration wire =
        change.better_link == r ? BestWireTime() : wire_[r];
    absl::Duration& stage = stages[cost_.devices[r].stage];
    stage = std::max(stage, RankTime(r, factor, wire));
    reading = std::max(reading, ReadTimeOf(r, factor, memory));
  }
  const absl::Duration computing =
      std::accumulate(stages.begin(), stages.end(), absl::ZeroDuration());
  return std::max(computing, reading) + rest_;
}

double TokenModel::ShareWithin(uint32_t rank, absl::Duration time) const {
  const DeviceCost& device = cost_.devices[rank];
  if (shares_[rank] <= 0) return 0;
  const absl::Duration left = time - device.exchange - wire_[rank];
  if (left <= absl::ZeroDuration()) return 0;
  double factor = device.compute > absl::ZeroDuration()
                      ? absl::FDivDuration(left, device.compute)
                      : std::numeric_limits<double>::infinity();
  factor = std::min(factor, 1 / shares_[rank]);
  // The read time grows with the share: halve the interval.
  if (ReadTimeOf(rank, factor, 0) > time) {
    double low = 0;
    double high = factor;
    for (int step = 0; step < kSearchSteps; ++step) {
      const double middle = (low + high) / 2;
      (ReadTimeOf(rank, middle, 0) > time ? high : low) = middle;
    }
    factor = low;
  }
  return factor * shares_[rank];
}

std::optional<std::vector<double>> TokenModel::BestShares(
    std::optional<uint32_t> without) const {
  const auto shares_within = [&](absl::Duration time) {
    std::vector<double> shares;
    for (uint32_t r = 0; r < cost_.devices.size(); ++r) {
      shares.push_back(without == r ? 0 : ShareWithin(r, time));
    }
    return shares;
  };
  const auto sum = [](const std::vector<double>& shares) {
    return std::accumulate(shares.begin(), shares.end(), 0.0);
  };
  // Stages are cut by what their ranks have together, so one time for all is
  // an approximation where there are several.
  absl::Duration low;
  absl::Duration high = measured_;
  while (sum(shares_within(high)) < 1) {
    high *= 2;
    if (high > absl::Hours(24)) return std::nullopt;
  }
  for (int step = 0; step < kSearchSteps; ++step) {
    const absl::Duration middle = (low + high) / 2;
    (sum(shares_within(middle)) < 1 ? low : high) = middle;
  }
  std::vector<double> shares = shares_within(high);
  const double all = sum(shares);
  for (double& share : shares) share /= all;
  return shares;
}

}  // namespace shoal::parallel
