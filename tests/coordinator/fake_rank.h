// A rank without mathematics: keeps units in a map, and does in a pass what a
// test says.

#ifndef SHOAL_TESTS_COORDINATOR_FAKE_RANK_H_
#define SHOAL_TESTS_COORDINATOR_FAKE_RANK_H_

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

class FakeRank : public parallel::Rank {
 public:
  using PassFunction = std::function<absl::Status(
      const parallel::Pass&, std::span<const float>, std::span<float>)>;

  // What the next calls return, or do. Set them before the rank runs.
  absl::Status load_status;
  absl::Status connect_status;
  // Null: all logits are 0 but the one of token 7, which is 1.
  PassFunction on_pass;
  bool pass_blocks = false;  // until Abort()
  // Called with the fetcher of the last Load() where the rank gives it up.
  std::function<void(parallel::UnitFetcher&)> on_unload;

  absl::Status Load(const parallel::RankSetup& setup,
                    parallel::UnitFetcher& fetcher,
                    absl::FunctionRef<void(const parallel::LoadProgress&)>
                        progress) override {
    std::vector<parallel::UnitFetcher::Item> items;
    {
      base::MutexLock lock(mutex_);
      ++load_count_;
      fetcher_ = &fetcher;
      setup_ = setup;
      aborted_ = absl::OkStatus();
      for (const uint32_t unit : setup.plan.UnitsOf(setup.rank)) {
        items.push_back({unit, std::nullopt});
        const auto found = store_.find({setup.model.id, unit});
        if (found != store_.end()) items.back().have = found->second;
      }
    }
    progress({0, items.size(), "fetching units"});
    SHOAL_RETURN_IF_ERROR(fetcher.Fetch(
        items, [&](const parallel::UnitFetcher::Unit& unit) -> absl::Status {
          base::MutexLock lock(mutex_);
          fetched_bytes_ += unit.canonical.size();
          if (!unit.unchanged &&
              base::DigestOf(unit.canonical) != unit.digest) {
            return absl::DataLossError("wrong digest");
          }
          store_[{setup.model.id, unit.unit_index}] = unit.digest;
          return absl::OkStatus();
        }));
    progress({items.size(), items.size(), "fetching units"});
    return load_status;
  }

  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override {
    base::MutexLock lock(mutex_);
    std::map<uint32_t, std::string> endpoints;
    for (uint32_t r = setup_.rank + 1; r < setup_.plan.rank_count(); ++r) {
      endpoints[r] = absl::StrCat("from ", setup_.rank, " to ", r);
    }
    return endpoints;
  }

  absl::Status Connect(const std::map<uint32_t, std::string>& endpoints,
                       absl::Time /*deadline*/) override {
    base::MutexLock lock(mutex_);
    endpoints_ = endpoints;
    return connect_status;
  }

  absl::Status RunPass(const parallel::Pass& pass,
                       std::span<const float> residual,
                       std::span<float> logits) override {
    {
      base::MutexLock lock(mutex_);
      passes_.push_back(pass);
      changed_.NotifyAll();
    }
    if (pass_blocks) return BlockUntilAborted();
    if (on_pass) return on_pass(pass, residual, logits);
    std::fill(logits.begin(), logits.end(), 0.0f);
    if (logits.size() > 7) logits[7] = 1.0f;
    return absl::OkStatus();
  }

  absl::Status Serve() override {
    {
      base::MutexLock lock(mutex_);
      ++serve_count_;
      changed_.NotifyAll();
    }
    return BlockUntilAborted();
  }

  void Abort(absl::Status why) override {
    base::MutexLock lock(mutex_);
    if (aborted_.ok()) aborted_ = why;
    changed_.NotifyAll();
  }

  void Unload() override {
    parallel::UnitFetcher* fetcher = nullptr;
    {
      base::MutexLock lock(mutex_);
      fetcher = std::exchange(fetcher_, nullptr);
    }
    if (on_unload && fetcher != nullptr) on_unload(*fetcher);
    base::MutexLock lock(mutex_);
    ++unload_count_;
    changed_.NotifyAll();
  }

  parallel::RankReport Report() const override {
    base::MutexLock lock(mutex_);
    parallel::RankReport report;
    report.rank = setup_.rank;
    report.units = setup_.plan.UnitsOf(setup_.rank).size();
    report.fetched_bytes = fetched_bytes_;
    return report;
  }

  base::TraceRecorder::Part Trace(uint64_t /*first*/,
                                  uint32_t /*count_max*/) const override {
    return {};
  }

  // Ends Serve() with an error of this rank's own.
  void Break(absl::Status why) { Abort(std::move(why)); }

  // All wait without limit: a test that hangs is ended by ctest.
  void AwaitPass() {
    base::MutexLock lock(mutex_);
    while (passes_.empty()) changed_.Wait(mutex_);
  }
  void AwaitServing() {
    base::MutexLock lock(mutex_);
    while (serve_count_ == 0) changed_.Wait(mutex_);
  }
  void AwaitUnloaded(int count) {
    base::MutexLock lock(mutex_);
    while (unload_count_ < count) changed_.Wait(mutex_);
  }

  std::vector<parallel::Pass> passes() const {
    base::MutexLock lock(mutex_);
    return passes_;
  }
  std::map<uint32_t, std::string> endpoints() const {
    base::MutexLock lock(mutex_);
    return endpoints_;
  }
  parallel::RankSetup setup() const {
    base::MutexLock lock(mutex_);
    return setup_;
  }
  absl::Status aborted() const {
    base::MutexLock lock(mutex_);
    return aborted_;
  }
  uint64_t fetched_bytes() const {
    base::MutexLock lock(mutex_);
    return fetched_bytes_;
  }
  int load_count() const {
    base::MutexLock lock(mutex_);
    return load_count_;
  }

 private:
  absl::Status BlockUntilAborted() {
    base::MutexLock lock(mutex_);
    while (aborted_.ok()) changed_.Wait(mutex_);
    return aborted_;
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  parallel::UnitFetcher* fetcher_ ABSL_GUARDED_BY(mutex_) = nullptr;
  parallel::RankSetup setup_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, uint32_t>, base::Digest> store_
      ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, std::string> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::vector<parallel::Pass> passes_ ABSL_GUARDED_BY(mutex_);
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
  uint64_t fetched_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int load_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int serve_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int unload_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The next token depends on the token and the position before it alone.
inline absl::Status Speak(const parallel::Pass& pass,
                          std::span<const float> residual,
                          std::span<float> logits) {
  const size_t hidden = residual.size() / pass.token_count();
  std::fill(logits.begin(), logits.end(), 0.0f);
  const size_t vocabulary =
      pass.logits_count() == 0 ? 0 : logits.size() / pass.logits_count();
  size_t token = 0;
  for (const parallel::PassRow& row : pass.rows) {
    token += row.token_count;
    if (row.logits_count == 0) continue;
    const float first = residual[(token - 1) * hidden];
    const uint32_t position = row.first_position + row.token_count;
    logits[static_cast<size_t>(
        300 + (static_cast<int64_t>(first * 1e6f) + 7 * position) % 89 + 89)] =
        1.0f;
    logits = logits.subspan(vocabulary);
  }
  return absl::OkStatus();
}

}  // namespace shoal::coordinator

#endif  // SHOAL_TESTS_COORDINATOR_FAKE_RANK_H_
