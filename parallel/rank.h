// The interface of one rank: what a coordinator asks of its own rank 0 and what
// a worker process does on behalf of the coordinator.

#ifndef SHOAL_PARALLEL_RANK_H_
#define SHOAL_PARALLEL_RANK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/trace.h"
#include "base/unit.h"
#include "parallel/pass.h"
#include "parallel/plan.h"

namespace shoal::parallel {

enum class WeightsMode : uint8_t { kAuto, kResident, kStream };
enum class KvFormat : uint8_t { kF16, kF32, kQ8 };

// What carries the frames between the ranks (transport/).
enum class Transport : uint8_t { kTcp, kZmq };

// Events that a rank keeps of a run that is traced: hundreds of tokens of a
// small model.
inline constexpr uint32_t kTraceEventCountMax = 1 << 17;

inline constexpr uint32_t kSessionCountMax = 256;

// What a rank needs to know of the model. The header is GGUF metadata without
// the tokenizer, plus the tensor table (model::GgufHeader::Serialize).
struct ModelDescription {
  std::string id;    // names the stores: a digest of header and file size
  std::string name;  // for people
  std::string header;
  uint64_t file_size = 0;
};

// How a run is computed; the same on every rank, except the budget.
struct RunOptions {
  WeightsMode weights = WeightsMode::kAuto;
  KvFormat kv = KvFormat::kF16;
  bool f32_activations = false;
  uint32_t context_positions = 512;  // KV length that is provided for
  // Sessions that may each have so many positions at a time. 1 to
  // kSessionCountMax.
  uint32_t session_count = 1;
  uint32_t logits_rows_max = 1;  // most rows of logits in one pass
  absl::Duration data_timeout = absl::Seconds(30);  // longest silence of a peer
  Transport transport = Transport::kTcp;
  // Whether a rank that waits for a frame may poll for it: not where the ranks
  // of a machine have more threads than it has cores, for then the one that
  // polls keeps the one that it waits for from running.
  bool may_poll = true;
  // Whether all ranks are processes of one user on one machine, and may hand
  // each other large messages in memory that they share.
  bool share_memory = false;
  // Whether ranks record what they do when, for Rank::Trace().
  bool trace = false;
  // Whether data links are encrypted and authenticated, by keys that come from
  // RankSetup::link_secret.
  bool seal_links = false;
};

struct RankSetup {
  uint32_t rank = 0;
  Plan plan;
  ModelDescription model;
  RunOptions options;
  uint64_t budget_bytes = 0;  // for the whole process
  // What the process takes beside this plan's memory, as the planner counted
  // it: in the coordinator's process also tokenizer and unit readers.
  uint64_t fixed_bytes = 0;
  // Drawn for this epoch; who knows it is let into its data links.
  std::array<uint8_t, 32> link_secret = {};
};

// Gets units from whoever has the model. Threads: thread-safe.
class UnitFetcher {
 public:
  struct Item {
    uint32_t unit_index = 0;
    // What the store already has: then only a confirmation comes back.
    std::optional<base::Digest> have;
  };
  struct Unit {
    uint32_t unit_index = 0;
    base::Digest digest;
    bool unchanged = false;                // `have` is right; no bytes
    std::span<const std::byte> canonical;  // valid during the call
  };

  virtual ~UnitFetcher() = default;

  // Calls `sink` for each item, in order. Blocks. A failed `sink` ends it.
  // Errors: kUnavailable       the source is gone; fetch the rest later
  //         kDataLoss          bytes do not have the digest announced
  //         kInvalidArgument   no such unit
  virtual absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) = 0;
};

// Of all passes since Load(): of prompts, of single tokens, and of several
// generations at once. Times are of the passes alone, not of what is between.
struct PassSums {
  uint64_t passes = 0;
  uint64_t tokens = 0;
  absl::Duration compute, stall, wait, exchange;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
};

// How the machine of a device is, at most about a second ago. Nothing where the
// system does not tell.
struct DeviceHealth {
  std::optional<double> load;               // runnable threads, over a minute
  uint32_t core_count = 0;                  // 0: unknown
  std::optional<double> clock_mhz;          // of the fastest core, now
  std::optional<double> clock_max_mhz;      // what it can be
  std::optional<double> temperature_c;      // of the hottest sensor
  std::optional<double> battery_percent;    // of the first battery
  std::optional<bool> battery_discharging;  // it feeds the device
};

// The facts of one device for the summary, --json and operators, over its life
// in this plan. Times are of decode passes (one token) after the first.
struct RankReport {
  std::string name;
  uint32_t rank = 0;
  uint64_t units = 0;
  uint64_t peak_rss_bytes = 0;
  uint64_t budget_bytes = 0;
  uint64_t share_bytes = 0;
  uint64_t resident_bytes = 0;
  uint64_t window_bytes = 0;
  uint64_t kv_bytes = 0;
  uint64_t fetched_bytes = 0;  // units sent to this device for this plan
  uint64_t read_bytes = 0;     // by the reading engine, all passes
  uint64_t decode_passes = 0;
  uint64_t decode_read_bytes = 0;  // between the first and the last of them
  absl::Duration compute, stall, wait, exchange;  // sums over decode passes
  // For whom it waited as a hub, by rank: a part of `wait`, charged to whoever
  // came last to each exchange.
  std::vector<absl::Duration> waited_for;
  uint64_t sent_bytes = 0;                        // sums over decode passes
  uint64_t received_bytes = 0;
  std::string isa;
  std::string io_engine;
  uint32_t threads = 0;
  uint64_t epoch = 0;      // of the last plan that was loaded; 0: none
  uint64_t rss_bytes = 0;  // of the process, now
  PassSums all;
  DeviceHealth health;
};

struct LoadProgress {
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
  std::string what;  // "fetching units", "checking the store"
};

// Threads: one caller at a time, except Abort(), Report() and Trace(), which
// any thread
//          may call at any time.
class Rank {
 public:
  virtual ~Rank() = default;

  // Fetches what the store lacks, chooses residents, reserves all memory.
  // Afterwards a previous plan is gone. `fetcher` is borrowed until Unload() or
  // the next Load(): a damaged unit is fetched again while passes run, by
  // another thread than the caller's.
  // Errors: kInvalidArgument     the plan or the model is not valid
  //         kResourceExhausted   the budget is too small: names the floor and
  //                              the shortfall; or the disk is full
  //         others               as of UnitFetcher and the store
  virtual absl::Status Load(
      const RankSetup& setup, UnitFetcher& fetcher,
      absl::FunctionRef<void(const LoadProgress&)> progress) = 0;

  // The two steps that make the data links (transport/network.h).
  virtual absl::StatusOr<std::map<uint32_t, std::string>> Listen() = 0;
  virtual absl::Status Connect(const std::map<uint32_t, std::string>& endpoints,
                               absl::Time deadline) = 0;

  // Rank 0: runs one pass over all ranks. `residual` is [tokens, hidden], the
  // embedded tokens; `logits` receives [logits rows, vocabulary].
  // Errors: of any rank; the message names the device. Afterwards the plan is
  //         dead: Load() again.
  virtual absl::Status RunPass(const Pass& pass,
                               std::span<const float> residual,
                               std::span<float> logits) = 0;

  // Other ranks: takes part in passes until Abort() (returns its status) or an
  // error.
  virtual absl::Status Serve() = 0;

  // Ends RunPass() or Serve() promptly with `why`. Any thread.
  virtual void Abort(absl::Status why) = 0;

  // Gives memory and links back; the store stays.
  virtual void Unload() = 0;

  virtual RankReport Report() const = 0;

  // Events [first, first + count_max) since Load(), by this device's clock;
  // none without RunOptions::trace. Any thread, as Report().
  virtual base::TraceRecorder::Part Trace(uint64_t first,
                                          uint32_t count_max) const = 0;
};

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_RANK_H_
