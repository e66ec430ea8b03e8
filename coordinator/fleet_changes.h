// Carries out what operators ask for while requests are served: a device less
// or more in the plan.

#ifndef SHOAL_COORDINATOR_FLEET_CHANGES_H_
#define SHOAL_COORDINATOR_FLEET_CHANGES_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "coordinator/coordinator.h"
#include "coordinator/fleet_change.h"
#include "coordinator/request_queue.h"

namespace shoal::coordinator {

// Between the services, which ask, and the thread that owns the coordinator,
// which alone may load: that one calls Work() again and again while the plan
// serves. A change plans first, and is refused where no plan is possible; then
// requests are held, those under way finish or are parked, the model is loaded
// by the new plan, and all go on. If loading fails, the plan before is loaded
// again.
//
// Limits:  one change at a time.
// Threads: Ask() any; the others the owner's.
class FleetChanges {
 public:
  struct Options {
    // Whether a plan is possible with these devices drained.
    std::function<absl::Status(const std::set<std::string>& drained)> try_plan;
    // Loads by a new plan (Coordinator::Reload()); returns its session_count.
    std::function<absl::StatusOr<uint32_t>(
        const std::function<void(const DeviceProgress&)>&)>
        reload;
    // Lines for whoever reads what the service says; may be null.
    std::function<void(absl::string_view)> say;
  };

  // The last two are borrowed and must outlive this.
  FleetChanges(Options options, Coordinator& coordinator, RequestQueue& queue);

  // A FleetChanger. While the plan does not serve, a device that is away can be
  // drained and resumed, so that nobody waits for it (or somebody does again).
  // Errors: those of the operations in proto/operator.proto;
  //         kUnavailable  the service is ending
  absl::Status Ask(const FleetChange& change, const ChangeNews& on_news)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The plan is in force and the queue ready, until SetNotServing().
  void SetServing() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetNotServing() ABSL_LOCKS_EXCLUDED(mutex_);

  // Carries out what was asked for, if anything was; a change that was refused
  // or could be undone is OK. Errors: those of loading; no plan is in force.
  absl::Status Work(const std::atomic<bool>* cancel)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends waiting in Ask(), and refuses what comes.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Between an Ask() and the owner.
  struct Asked {
    FleetChange change;
    std::deque<std::string> news;  // at most kNewsMax
    std::optional<absl::Status> result;
  };

  // Errors: what speaks against it but the plan
  absl::Status Check(const FleetChange& change) const;
  absl::Status ChangeAway(const FleetChange& change, const ChangeNews& on_news);
  absl::Status CarryOut(const FleetChange& change,
                        const std::atomic<bool>* cancel, absl::Status& fault);
  absl::Status Load(const FleetChange& change,
                    const std::set<std::string>& drained, absl::Status& fault);
  void AwaitRequests(const FleetChange& change,
                     const std::atomic<bool>* cancel);
  absl::StatusOr<uint32_t> Reload();
  void SetDrained(const std::set<std::string>& drained);
  void Note(const FleetChange& change, const std::string& text);
  void Tell(const std::string& line) ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const absl::Status& result) ABSL_LOCKS_EXCLUDED(mutex_);

  static constexpr size_t kNewsMax = 64;

  const Options options_;
  Coordinator& coordinator_;
  RequestQueue& queue_;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Until it has ended; null: none. What it holds is guarded, too.
  std::shared_ptr<Asked> asked_ ABSL_GUARDED_BY(mutex_);
};

// "draining edge2", "resuming edge2", "planning again".
std::string Naming(const FleetChange& change);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_CHANGES_H_
