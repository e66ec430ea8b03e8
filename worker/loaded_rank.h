// Everything that a rank holds for one plan: units, memory, buffers.

#ifndef SHOAL_WORKER_LOADED_RANK_H_
#define SHOAL_WORKER_LOADED_RANK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/byte_size.h"
#include "base/trace.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "memory/budget.h"
#include "memory/file_system.h"
#include "memory/kv_cache.h"
#include "memory/memory_watch.h"
#include "memory/slab.h"
#include "memory/weight_cache.h"
#include "memory/weight_store.h"
#include "model/architecture.h"
#include "model/phase_input.h"
#include "model/unit_compute.h"
#include "model/unit_table.h"
#include "parallel/pass.h"
#include "parallel/rank.h"
#include "worker/hub_units.h"
#include "worker/phase_work.h"

namespace shoal::worker {

// What a rank brings with it, whatever the plan.
struct RankResources {
  std::string store_directory;
  uint64_t disk_cap_bytes = UINT64_MAX;
  const kernels::KernelTable* kernels = nullptr;
  kernels::ThreadTeam* team = nullptr;
  memory::FileSystem* file_system = nullptr;  // null: the system's
  base::Clock* clock = nullptr;               // null: the system's
};

// Threads: thread-compatible; owns the reader threads of the cache.
// Memory: all of it is reserved by Load(); a pass allocates only KV pages,
//         within the bytes that Load() counted.
class LoadedRank {
 public:
  // Read by one SetBudget(), so that the other ranks do not wait for long.
  static constexpr uint64_t kGrowthBytesMax = 64 * base::kMiB;

  // Errors: as parallel::Rank::Load()
  static absl::StatusOr<std::unique_ptr<LoadedRank>> Load(
      const parallel::RankSetup& setup, const RankResources& resources,
      parallel::UnitFetcher& fetcher,
      absl::FunctionRef<void(const parallel::LoadProgress&)> progress);

  const parallel::RankSetup& setup() const { return setup_; }
  const model::ModelSpec& spec() const { return spec_; }
  const model::UnitTable& units() const { return *units_; }
  const kernels::KernelTable& kernels() const { return *kernels_; }
  const HubUnits& hub_units() const { return *hub_units_; }
  kernels::ThreadTeam& team() const { return *team_; }
  // That the deadlines of units are by.
  base::Clock& clock() const { return *clock_; }
  const std::vector<StageWork>& stages() const { return stages_; }

  // Own units by entry of the cache; `data` is null until they are acquired.
  std::vector<model::UnitView>& views() { return views_; }
  memory::WeightCache& cache() { return *cache_; }
  memory::KvCache& kv() { return *kv_; }
  model::UnitCompute& compute() { return *compute_; }
  model::PhaseInput& input() { return *input_; }
  // [chunk tokens, hidden] in the payload's type; zeroed by its user.
  memory::Slab& accumulator() { return accumulator_; }
  // [chunk tokens, hidden]; empty on a rank that is never hub and never norms.
  std::vector<float>& residual() { return residual_; }
  std::vector<std::byte>& piece() { return piece_; }

  // Null: nothing is recorded.
  const std::shared_ptr<base::TraceRecorder>& trace() const { return trace_; }
  // Largest payload of any frame under this plan.
  uint64_t payload_bytes_max() const { return payload_bytes_max_; }
  // Units, share, residents, window, KV, fetched bytes, engine.
  // Of Load(), and of the last SetBudget().
  const parallel::RankReport& facts() const { return facts_; }

  // What SetBudget() may be given.
  memory::MemoryWatch::Range budget_range() const;

  // Before a pass: residents leave room for the KV of its sessions, and take,
  // by at most kGrowthBytesMax a pass, what none of them will use of the room
  // for KV that the plan provides. It goes in eighths, so that a text makes few
  // changes. Bits stay.
  // Errors: as SetBudget()
  absl::Status MakeRoomForKv(const parallel::Pass& pass);

  // Between passes: residents go, or come, until the process takes at most
  // `budget_bytes`, but for the pass after it at most kGrowthBytesMax more than
  // before; call it again until it is true that all is done. Bits stay.
  // REQUIRES: floor <= budget_bytes, as budget_range() has it.
  // Errors: kResourceExhausted  no memory for the window; the rank is dead
  absl::StatusOr<bool> SetBudget(uint64_t budget_bytes);

 private:
  LoadedRank() = default;

  absl::Status ReadModel();
  absl::Status OpenStore(const RankResources& resources);
  absl::Status Install(
      parallel::UnitFetcher& fetcher,
      absl::FunctionRef<void(const parallel::LoadProgress&)> progress);
  void SetRopeFactors();
  bool IsRouted(uint32_t unit_index) const;
  // Which entries shall be resident, and those that are; those of which every
  // pass reads all before experts.
  std::vector<bool> ChooseResidents(uint64_t budget_bytes,
                                    const std::vector<bool>& present) const;
  uint64_t PaddedBytesOf(uint32_t unit_index) const;
  // Of the window, without the places for routed units, which the cache takes
  // beside it.
  uint64_t WindowBytes(const memory::BudgetSplit& split,
                       const std::vector<bool>& resident) const;
  absl::Status ReserveMemory(const RankResources& resources);
  // What residents leave for so much KV: in steps.
  uint64_t KvRoomFor(uint64_t bytes) const;
  // The budget, with the KV that there is room for now.
  absl::StatusOr<memory::BudgetSplit> Split() const;
  absl::Status ApplySplit();
  void NoteMemory(const memory::BudgetSplit& split);
  absl::Status CreateCache(const memory::BudgetSplit& split,
                           const RankResources& resources);
  void CreateKv(uint64_t budget_bytes);
  void CreateBuffers(const RankResources& resources);

  parallel::RankSetup setup_;
  model::ModelSpec spec_;
  std::optional<model::UnitTable> units_;
  const kernels::KernelTable* kernels_ = nullptr;
  kernels::ThreadTeam* team_ = nullptr;
  base::Clock* clock_ = nullptr;
  std::vector<uint32_t> own_units_;  // indices, without hub units
  std::vector<StageWork> stages_;
  std::shared_ptr<base::TraceRecorder> trace_;
  std::unique_ptr<memory::WeightStore> store_;
  std::unique_ptr<memory::BlockFile> file_;
  std::function<absl::Status(uint32_t)> repair_;
  std::optional<HubUnits> hub_units_;
  std::vector<model::UnitView> views_;
  std::unique_ptr<memory::KvCache> kv_;
  std::unique_ptr<memory::WeightCache> cache_;  // ends before file and store
  std::unique_ptr<model::UnitCompute> compute_;
  std::unique_ptr<model::PhaseInput> input_;
  memory::Slab accumulator_;
  std::vector<float> residual_;
  std::vector<std::byte> piece_;
  uint64_t payload_bytes_max_ = 0;
  memory::BudgetRequest budget_;  // the present one, with all of the KV
  uint64_t kv_room_bytes_ = 0;    // what KV may take without MakeRoomForKv()
  parallel::RankReport facts_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_LOADED_RANK_H_
