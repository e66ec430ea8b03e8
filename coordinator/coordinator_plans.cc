// Planning and changes of plans of a Coordinator.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "coordinator/coordinator_impl.h"
#include "coordinator/known_rates.h"
#include "security/random_bytes.h"

namespace shoal::coordinator {
namespace {

absl::Status NoModel() {
  return absl::FailedPreconditionError("no model is loaded");
}

}  // namespace

std::vector<std::string> Coordinator::Impl::ShareNames() const {
  base::MutexLock lock(state_mutex_);
  return share_names_;
}

// A plan that was loaded has been given back, but is in the peak for ever.
uint64_t Coordinator::Impl::PeakBytesBefore(const LoadedModel& model) const {
  base::MutexLock lock(state_mutex_);
  const std::string& id = model.file->description.id;
  if (peak_bytes_model_ != id) {
    peak_bytes_model_ = id;
    peak_bytes_ = PeakBytesNow();
  }
  return peak_bytes_;
}

absl::StatusOr<Coordinator::Impl::Placement> Coordinator::Impl::Place(
    const LoadedModel& model, const Workers& workers,
    const PlanOptions& options) const {
  Placement placement;
  std::vector<parallel::DeviceProfile>& devices = placement.devices;
  devices.push_back(profile0_);
  // Members without a part of the plan have connections all the same.
  devices[0].fixed_bytes = FixedBytesWith(
      model, PeakBytesBefore(model), membership_.workers().size(),
      options.run.session_count, profile0_.fixed_bytes);
  for (const auto& worker : workers) devices.push_back(worker->info().profile);
  KeepKnownRates(options_.digest_directory, devices);
  PlanOptions plan = options;
  plan.run.seal_links = options_.secrets != nullptr && !options_.trusted_lan;
  const std::vector<std::string> share_names = ShareNames();
  // Without some of the devices the others keep theirs.
  if (plan.shares.size() != devices.size() &&
      plan.shares.size() == share_names.size()) {
    for (size_t i = 0; i < plan.shares.size(); ++i) {
      plan.shares_by_name[share_names[i]] = plan.shares[i];
    }
    plan.shares.clear();
  }
  SHOAL_ASSIGN_OR_RETURN(placement.plan, PlanModel(*model.file, devices, plan));
  placement.run = plan.run;
  return placement;
}

absl::StatusOr<std::shared_ptr<Deployment>> Coordinator::Impl::MakeDeployment(
    const LoadedModel& model, const PlanOptions& options) {
  Workers workers = membership_.active_workers();
  SHOAL_ASSIGN_OR_RETURN(Placement placement, Place(model, workers, options));
  Deployment::Options setup;
  setup.plan = std::move(placement.plan);
  setup.plan.epoch = ++epoch_;
  if (!options.shares.empty()) {
    base::MutexLock lock(state_mutex_);
    if (share_names_.empty()) share_names_ = setup.plan.device_names;
  }
  setup.model = model.file->description;
  setup.run = placement.run;
  for (const auto& device : placement.devices) {
    setup.budget_bytes.push_back(device.budget_bytes);
    setup.fixed_bytes.push_back(device.fixed_bytes);
  }
  security::FillRandom(setup.link_secret);
  setup.connect_timeout = options_.connect_timeout;
  setup.load_silence_timeout = options_.load_silence_timeout;
  setup.cause_wait = options_.cause_wait;
  return std::make_shared<Deployment>(std::move(setup), rank0_, *model.units,
                                      std::move(workers));
}

absl::Status Coordinator::Impl::Reload(
    const PlanOptions& options,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  base::MutexLock turn(turn_);
  const std::shared_ptr<LoadedModel> loaded = model();
  if (loaded == nullptr) return NoModel();
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<Deployment> next,
                         MakeDeployment(*loaded, options));
  EndPlanInTurn();
  return LoadInTurn(loaded, next, progress, cancel);
}

absl::StatusOr<parallel::Plan> Coordinator::Impl::TryPlan(
    const PlanOptions& options, const std::set<std::string>& drained) {
  // Not in turn: a pass may take long.
  const std::shared_ptr<LoadedModel> loaded = model();
  if (loaded == nullptr) return NoModel();
  Workers workers = membership_.workers();
  std::erase_if(workers, [&drained](const auto& worker) {
    return drained.contains(worker->name());
  });
  SHOAL_ASSIGN_OR_RETURN(Placement placement, Place(*loaded, workers, options));
  return std::move(placement.plan);
}

void Coordinator::Impl::SetFleetChanger(FleetChanger change) {
  base::MutexLock lock(state_mutex_);
  fleet_changer_ = std::move(change);
}

absl::Status Coordinator::Impl::ChangeFleet(const FleetChange& change,
                                            const ChangeNews& on_news) {
  FleetChanger by_others;
  {
    base::MutexLock lock(state_mutex_);
    by_others = fleet_changer_;
  }
  if (by_others) return by_others(change, on_news);
  return absl::FailedPreconditionError(
      absl::StrCat("the coordinator ", profile0_.name,
                   " runs for shoal run, chat or bench, and its plan does not "
                   "change; drain, resume and replan are for shoal serve"));
}

}  // namespace shoal::coordinator
