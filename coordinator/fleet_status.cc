#include "coordinator/fleet_status.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "coordinator/fleet_convert.h"

namespace shoal::coordinator {

void FillDevices(const std::vector<DeviceState>& devices,
                 proto::FleetStatus& status) {
  for (const DeviceState& device : devices) {
    const bool is_coordinator = status.devices().empty();
    if (is_coordinator) status.set_coordinator_name(device.profile.name);
    proto::DeviceStatus& added = *status.add_devices();
    *added.mutable_profile() = ToProto(device.profile);
    added.set_is_coordinator(is_coordinator);
    if (device.rank >= 0) added.set_rank(static_cast<uint32_t>(device.rank));
    added.set_silent_ms(static_cast<uint32_t>(std::clamp<int64_t>(
        absl::ToInt64Milliseconds(device.silent), 0, UINT32_MAX)));
    added.set_program_version(device.program_version);
    added.set_is_drained(device.is_drained);
  }
}

void FillModel(const ModelFile& model, Deployment& deployment, bool ready,
               proto::FleetStatus& status) {
  status.set_model_id(model.description.id);
  status.set_model_name(model.description.name);
  const parallel::Plan plan = deployment.plan();
  status.set_epoch(plan.epoch);
  const bool failed = deployment.failed();
  if (failed) {
    status.set_failure(std::string(deployment.failure().message()));
  }
  status.set_ready(ready && !failed);
  for (proto::DeviceStatus& device : *status.mutable_devices()) {
    if (!device.has_rank() || device.rank() >= plan.rank_count()) continue;
    uint64_t bytes = 0;
    const std::vector<uint32_t> units = plan.UnitsOf(device.rank());
    for (const uint32_t unit : units) bytes += model.units[unit].bytes;
    device.set_unit_count(static_cast<uint32_t>(units.size()));
    device.set_share_bytes(bytes);
  }
}

void AddModel(const LoadedModel& model, const parallel::RunOptions& run,
              proto::ListModelsReply& reply) {
  proto::ListModelsReply::Model& added = *reply.add_models();
  added.set_id(model.file->description.id);
  added.set_name(model.file->description.name);
  added.set_context_positions(run.context_positions);
  added.set_has_chat_template(model.RequireChatTemplate().ok());
}

}  // namespace shoal::coordinator
