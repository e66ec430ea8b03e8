// A whole fleet in one process: ranks as threads over the network in memory.

#ifndef SHOAL_TESTS_TESTING_IN_PROCESS_FLEET_H_
#define SHOAL_TESTS_TESTING_IN_PROCESS_FLEET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "model/architecture.h"
#include "model/embedding.h"
#include "model/gguf.h"
#include "model/unit_source.h"
#include "model/unit_table.h"
#include "parallel/planner.h"
#include "parallel/rank.h"
#include "transport/in_memory_network.h"
#include "transport/network.h"
#include "transport/tcp_network.h"
#include "transport/zmq_context.h"
#include "transport/zmq_network.h"
#include "worker/rank_engine.h"

namespace shoal::testing {

// Serves units of a file to ranks of this process.
class LocalFetcher final : public parallel::UnitFetcher {
 public:
  LocalFetcher(const model::UnitTable& units, const model::UnitSource& source)
      : units_(units), source_(source) {}
  absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) override;

 private:
  const model::UnitTable& units_;
  const model::UnitSource& source_;
};

struct FleetOptions {
  uint32_t rank_count = 1;
  std::vector<double> shares;
  uint32_t tensor_parallel = 0;
  uint32_t pipeline_parallel = 0;
  parallel::Payload payload = parallel::Payload::kF64;
  parallel::Collective collective = parallel::Collective::kFusedStar;
  parallel::HeadPlacement head = parallel::HeadPlacement::kSharded;
  parallel::RunOptions run;
  uint32_t chunk_tokens = 0;
  uint64_t budget_bytes = uint64_t{1} << 30;  // of each rank
  uint32_t threads = 1;
  std::string isa = "auto";
  std::string store_root;  // each rank has a folder in it
  // Nothing: in memory.
  std::optional<parallel::Transport> transport;
  // Of every rank, as in worker::RankEngine::Options.
  const kernels::KernelTable* kernels = nullptr;
  memory::FileSystem* file_system = nullptr;
  base::Clock* clock = nullptr;
  // Of the last rank.
  std::optional<memory::MemoryWatch::Options> memory_watch;
};

// Threads: thread-compatible; owns a thread for each rank but 0.
class InProcessFleet {
 public:
  static absl::StatusOr<std::unique_ptr<InProcessFleet>> Create(
      const std::string& model_path, const FleetOptions& options);
  ~InProcessFleet();

  // Evaluates `ids` at positions first_position... and returns the logits
  // [logits_rows, vocabulary] of the last rows.
  absl::StatusOr<std::vector<float>> Evaluate(std::span<const int32_t> ids,
                                              uint32_t first_position,
                                              uint32_t logits_rows);

  worker::RankEngine& rank(uint32_t number) { return *ranks_[number]; }
  const parallel::Plan& plan() const { return plan_; }
  const model::ModelSpec& spec() const { return spec_; }
  const model::UnitTable& units() const { return *units_; }
  std::vector<parallel::RankReport> Reports() const;
  // The reports once every rank has counted `decode_passes`: the logits of a
  // pass are there before the last rank has counted it.
  std::vector<parallel::RankReport> ReportsAfter(uint64_t decode_passes) const;

 private:
  InProcessFleet() = default;
  absl::Status Start(const FleetOptions& options);

  std::unique_ptr<model::UnitSource> source_;
  std::optional<model::GgufHeader> header_;
  model::ModelSpec spec_;
  std::optional<model::UnitTable> units_;
  std::unique_ptr<LocalFetcher> fetcher_;
  std::optional<model::EmbeddingReader> embedding_;
  transport::InMemoryNetwork network_;
  std::vector<std::unique_ptr<transport::ZmqContext>> contexts_;
  parallel::Plan plan_;
  std::vector<std::unique_ptr<worker::RankEngine>> ranks_;
  std::vector<std::thread> threads_;
  uint64_t pass_ = 0;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_IN_PROCESS_FLEET_H_
