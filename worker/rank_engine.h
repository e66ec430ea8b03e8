// One rank of a plan: the implementation of parallel::Rank.

#ifndef SHOAL_WORKER_RANK_ENGINE_H_
#define SHOAL_WORKER_RANK_ENGINE_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "kernels/thread_team.h"
#include "memory/memory_watch.h"
#include "parallel/rank.h"
#include "transport/channel_group.h"
#include "transport/network.h"
#include "worker/device_sensors.h"
#include "worker/loaded_rank.h"
#include "worker/pass_runner.h"

namespace shoal::worker {

// Loads its units, links with its peers, and computes passes. Used in the
// coordinator's process for rank 0 and in worker processes for the others.
//
// Threads: as parallel::Rank. Failure: after an error of Serve() or RunPass()
//          the plan is dead; the peers have been told why, as far as their
//          links still work.
class RankEngine final : public parallel::Rank {
 public:
  struct Options {
    std::string store_directory;
    uint64_t disk_cap_bytes = UINT64_MAX;
    uint32_t threads = 1;                           // >= 1
    std::string isa = "auto";                       // kernels::SelectKernels()
    const kernels::KernelTable* kernels = nullptr;  // null: those of `isa`
    // Where the data links listen, and what peers dial (network.h).
    std::string bind_address = "127.0.0.1";
    std::string advertised_address;
    // Makes the network of an epoch: over sockets, or threads in tests.
    std::function<std::unique_ptr<transport::Network>(
        parallel::Transport, const transport::NetworkOptions&)>
        make_network;
    memory::FileSystem* file_system = nullptr;  // null: the system's
    base::Clock* clock = nullptr;               // null: the system's
    // What may change the budget while a plan lives; its clock is that above.
    // Nothing: it stays.
    std::optional<memory::MemoryWatch::Options> memory_watch;
    std::string system_root = "/";  // for what Report() tells of the machine
  };

  // Errors: kInvalidArgument  unknown isa, or no threads
  static absl::StatusOr<std::unique_ptr<RankEngine>> Create(Options options);

  absl::Status Load(
      const parallel::RankSetup& setup, parallel::UnitFetcher& fetcher,
      absl::FunctionRef<void(const parallel::LoadProgress&)> progress) override;
  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override;
  absl::Status Connect(const std::map<uint32_t, std::string>& endpoints,
                       absl::Time deadline) override;
  absl::Status RunPass(const parallel::Pass& pass,
                       std::span<const float> residual,
                       std::span<float> logits) override;
  absl::Status Serve() override;
  // Rank 0, while no pass runs: gives memory up or takes some, as other ranks
  // do in Serve(). Returns when to call it again. Nothing without a plan. An
  // error is that of the next RunPass().
  absl::Duration Rest();
  void Abort(absl::Status why) override;
  void Unload() override;
  parallel::RankReport Report() const override ABSL_LOCKS_EXCLUDED(mutex_);
  base::TraceRecorder::Part Trace(uint64_t first,
                                  uint32_t count_max) const override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Counters at the beginning of a pass.
  struct Marks {
    uint64_t sent_bytes = 0;
    uint64_t received_bytes = 0;
    uint64_t consumed_bytes = 0;
    absl::Time time;
  };

  explicit RankEngine(Options options)
      : options_(std::move(options)), sensors_(options_.system_root) {}

  // `wanted`, or none where the cores do not suffice.
  absl::Duration PollingTime(absl::Duration wanted) const;
  absl::Status ServePass(const transport::Frame& frame);
  // Between passes: gives memory up or takes some, as the watch wishes.
  absl::Status AdaptMemory();
  // How long to wait before the next, while there is no pass.
  absl::Duration RestTime() const;
  void NoteMemory() ABSL_LOCKS_EXCLUDED(mutex_);
  void TellMemory(const memory::MemoryWatch::Wish& wish) const;
  absl::Status OpenPass(const parallel::Pass& pass);
  absl::Status RunLocally(const parallel::Pass& pass,
                          std::span<const float> residual,
                          std::span<float> logits);
  // Tells the peers why this rank gives up. Returns `status`.
  absl::Status Fail(const absl::Status& status);
  void CountPass(const parallel::Pass& pass, const Marks& before)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<transport::ChannelGroup> Channels() const
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  mutable DeviceSensors sensors_;
  const kernels::KernelTable* kernels_ = nullptr;
  std::unique_ptr<kernels::ThreadTeam> team_;
  std::unique_ptr<LoadedRank> loaded_;
  std::optional<memory::MemoryWatch> watch_;
  // Of the watch, until it is fulfilled.
  std::optional<memory::MemoryWatch::Wish> wish_;
  uint64_t resident_bytes_before_ = 0;        // when the wish was made
  absl::Time wished_ = absl::InfinitePast();  // when, last
  absl::Duration step_time_;  // that the last change of memory took
  std::unique_ptr<transport::Network> network_;
  std::unique_ptr<PassRunner> runner_;
  std::vector<std::byte> pass_bytes_;  // rank 0: of the last pass
  parallel::Pass served_;              // others: the last pass

  mutable base::Mutex mutex_;
  // Shared, because Abort() comes from any thread.
  std::shared_ptr<transport::ChannelGroup> channels_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<base::TraceRecorder> trace_ ABSL_GUARDED_BY(mutex_);
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stops_ = false;  // aborted_ is not OK; for the runner
  parallel::RankReport report_ ABSL_GUARDED_BY(mutex_);
  uint64_t decode_pass_count_ ABSL_GUARDED_BY(mutex_) = 0;
  // The end of the last pass, if that was a decode pass.
  std::optional<absl::Time> decoded_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_RANK_ENGINE_H_
