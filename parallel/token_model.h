// What a token costs on a fleet: a model made of what was measured, to ask what
// it would cost otherwise.

#ifndef SHOAL_PARALLEL_TOKEN_MODEL_H_
#define SHOAL_PARALLEL_TOKEN_MODEL_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::parallel {

// One device while tokens are generated. Times and bytes are of one token; the
// four times add up to the time from one token to the next.
struct DeviceCost {
  std::string name;
  uint32_t stage = 0;      // in which it has layers
  bool is_hub = false;     // of that stage
  absl::Duration compute;  // rank 0: choosing the token, too
  absl::Duration stall;    // waiting for its disk
  absl::Duration exchange;
  absl::Duration wait;  // for a frame
  // The hub of its stage waited for this one, as the last to come.
  absl::Duration awaited;
  std::optional<absl::Duration> round_trip;  // of a small message, to rank 0
  double macs_per_second = 0;  // alone, as measured before; 0: unknown
  uint64_t budget_bytes = 0;   // for the whole process
  uint64_t peak_bytes = 0;     // of it, taken so far; 0: unknown
  uint64_t share_bytes = 0;
  uint64_t resident_bytes = 0;
  double read_bytes = 0;
  double disk_bytes_per_second = 0;  // alone, as measured before; 0: unknown
};

struct FleetCost {
  std::vector<DeviceCost> devices;  // by rank
  uint32_t stage_count = 1;
  // Times per token that a stage's hub and its other ranks exchange frames,
  // there and back, all stages together.
  uint32_t exchange_count = 0;
};

// A fleet that is not quite as it was measured.
struct FleetChange {
  std::vector<double> shares;        // by rank, with the sum 1; empty: as it is
  std::vector<double> memory_bytes;  // by rank, more or less; empty: as it is
  // The rank whose wire time becomes that of the best of the others.
  std::optional<uint32_t> better_link;
};

// A rank takes as long for its part of a token as it computes, exchanges and
// has its frames on the wire; a stage as long as its slowest rank; a pass as
// long as its stages one after the other, but no shorter than any device takes
// to read what does not fit its memory, which goes on all the time: for ever,
// if it has not read before and its disk's rate is not known. Units are taken
// as infinitely small.
//
// Threads: thread-compatible. Immutable.
class TokenModel {
 public:
  // Errors: kInvalidArgument  no devices, or no token was generated
  static absl::StatusOr<TokenModel> Create(FleetCost cost);

  const FleetCost& cost() const { return cost_; }
  // From one token to the next.
  absl::Duration measured() const { return measured_; }
  // By rank, of all bytes of weights.
  const std::vector<double>& shares() const { return shares_; }
  // What a rank's frames take on the wire and in queues.
  absl::Duration WireTime(uint32_t rank) const { return wire_[rank]; }
  // What reading takes a rank per token; 0 where all is resident.
  absl::Duration ReadTime(uint32_t rank) const { return read_time_[rank]; }
  double ReadRate(uint32_t rank) const { return read_rate_[rank]; }

  // Predict({}) is measured().
  // REQUIRES: vectors have an entry for each rank, or none.
  absl::Duration Predict(const FleetChange& change) const;

  // The shares with which a token takes the least, and none at all for
  // `without`. Nothing if only that rank is left.
  std::optional<std::vector<double>> BestShares(
      std::optional<uint32_t> without) const;

 private:
  explicit TokenModel(FleetCost cost) : cost_(std::move(cost)) {}
  void FindWireTimes();
  void FindReadTimes();
  // Of the ranks that are no hubs.
  absl::Duration BestWireTime() const;
  // Of a rank whose share is `factor` times what it is.
  absl::Duration RankTime(uint32_t rank, double factor,
                          absl::Duration wire) const;
  absl::Duration ReadTimeOf(uint32_t rank, double factor, double memory) const;
  // How large a share may be for the rank to need no more than `time`.
  double ShareWithin(uint32_t rank, absl::Duration time) const;

  FleetCost cost_;
  absl::Duration measured_;
  // What the model does not explain of it.
  absl::Duration rest_;
  std::vector<double> shares_;
  std::vector<absl::Duration> wire_;
  std::vector<absl::Duration> read_time_;
  std::vector<double> read_rate_;  // bytes per second
};

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_TOKEN_MODEL_H_
