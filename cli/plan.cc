#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/cluster_find.h"
#include "cli/device.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "coordinator/placement.h"
#include "model/dimensions.h"
#include "nlohmann/json.hpp"
#include "parallel/memory_fit.h"
#include "parallel/memory_need.h"

namespace shoal::cli {
namespace {

using base::FormatByteSize;

struct PlanFlags {
  std::string model;
  bool json = false;
  WhereFlags where;
  HowFlags how;
};

struct PlannedDevice {
  std::string name;
  size_t units = 0;
  parallel::MemoryNeed need;
  uint64_t floor_bytes = 0;
  uint64_t budget_bytes = 0;
};

// This machine measured once, for each device of it.
absl::StatusOr<std::vector<parallel::DeviceProfile>> ProfilesOf(
    const SessionOptions& options) {
  std::vector<parallel::DeviceProfile> profiles;
  DeviceOptions first;
  first.name = options.local_devices[0].name;
  first.store_directory = options.local_devices[0].store_directory;
  first.threads = options.local_devices[0].threads;
  first.isa = options.isa;
  first.io = options.io;
  SHOAL_ASSIGN_OR_RETURN(const Device device, MakeDevice(first));
  for (const LocalDeviceOptions& local : options.local_devices) {
    parallel::DeviceProfile profile = device.profile;
    profile.name = local.name;
    profile.budget_bytes = local.budget_bytes;
    profile.threads = local.threads;
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

// The ranks that compute logits.
std::vector<uint32_t> HeadRanks(const parallel::Plan& plan,
                                const coordinator::ModelFile& model) {
  std::vector<uint32_t> ranks;
  for (const parallel::UnitRange& range : plan.ranges) {
    if (model.units[range.begin].id.kind != base::UnitKind::kHead) continue;
    ranks.push_back(range.rank);
  }
  return ranks;
}

std::vector<PlannedDevice> DevicesOf(
    const parallel::Plan& plan, const coordinator::ModelFile& model,
    const std::vector<parallel::DeviceProfile>& profiles,
    const parallel::RunOptions& options) {
  const auto dimensions =
      model::DimensionsOf(model.spec, model.table, options.f32_activations);
  std::vector<PlannedDevice> devices;
  for (uint32_t r = 0; r < plan.rank_count(); ++r) {
    PlannedDevice device;
    device.name = profiles[r].name;
    device.units = plan.UnitsOf(r).size();
    device.need = parallel::NeedOf(plan, r, model.units, dimensions, options);
    device.floor_bytes =
        parallel::FloorOf(profiles[r], device.need, options.weights);
    device.budget_bytes = profiles[r].budget_bytes;
    devices.push_back(std::move(device));
  }
  return devices;
}

void PrintJson(const parallel::Plan& plan,
               const std::vector<uint32_t>& head_ranks,
               const std::vector<PlannedDevice>& planned) {
  using nlohmann::json;
  json devices = json::array();
  for (size_t r = 0; r < planned.size(); ++r) {
    const PlannedDevice& device = planned[r];
    devices.push_back({{"name", device.name},
                       {"rank", r},
                       {"units", device.units},
                       {"share_bytes", device.need.share},
                       {"kv_bytes", device.need.kv},
                       {"activation_bytes", device.need.activations},
                       {"transport_bytes", device.need.transport},
                       {"floor_bytes", device.floor_bytes},
                       {"budget_bytes", device.budget_bytes}});
  }
  json stages = json::array();
  for (const parallel::StagePlan& stage : plan.stages) {
    stages.push_back({{"hub", stage.hub},
                      {"layer_begin", stage.layer_begin},
                      {"layer_end", stage.layer_end}});
  }
  const json object = {{"chunk_tokens", plan.chunk_tokens},
                       {"stages", stages},
                       {"head_ranks", head_ranks},
                       {"notes", plan.notes},
                       {"devices", devices}};
  std::printf(
      "%s\n",
      object.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

void PrintText(const parallel::Plan& plan,
               const std::vector<uint32_t>& head_ranks,
               const std::vector<PlannedDevice>& planned) {
  Table table({"rank", "device", "units", "weights", "kv", "activations",
               "transport", "least memory", "budget"});
  for (size_t c = 2; c < 9; ++c) table.AlignRight(c);
  for (size_t r = 0; r < planned.size(); ++r) {
    const PlannedDevice& device = planned[r];
    table.AddRow({absl::StrCat(r), device.name, absl::StrCat(device.units),
                  FormatByteSize(device.need.share),
                  FormatByteSize(device.need.kv),
                  FormatByteSize(device.need.activations),
                  FormatByteSize(device.need.transport),
                  FormatByteSize(device.floor_bytes),
                  FormatByteSize(device.budget_bytes)});
  }
  std::fputs(table.Text().c_str(), stdout);
  for (size_t s = 0; s + 1 < plan.stages.size(); ++s) {
    const parallel::StagePlan& stage = plan.stages[s];
    std::printf("stage %zu: layers %u to %u, hub rank %u\n", s,
                stage.layer_begin, stage.layer_end - 1, stage.hub);
  }
  std::printf("head: %s %s\n", head_ranks.size() == 1 ? "rank" : "ranks",
              absl::StrJoin(head_ranks, ", ").c_str());
  std::printf("prompts in chunks of %u tokens\n", plan.chunk_tokens);
  for (const std::string& note : plan.notes) {
    std::printf("note: %s\n", note.c_str());
  }
}

absl::Status MakeAndPrintPlan(const PlanFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions options,
                         SessionOptionsOf(flags.model, flags.where, flags.how));
  if (options.expect > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.expect,
                     " devices are on other machines, and what they can do "
                     "is known when they have joined; run prints the plan"));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::vector<parallel::DeviceProfile> profiles,
                         ProfilesOf(options));
  SHOAL_ASSIGN_OR_RETURN(const auto model,
                         coordinator::ModelFile::Read(options.model));
  SHOAL_ASSIGN_OR_RETURN(
      const parallel::Plan plan,
      coordinator::PlanModel(*model, profiles, options.plan));
  const std::vector<PlannedDevice> devices =
      DevicesOf(plan, *model, profiles, options.plan.run);
  if (flags.json) {
    PrintJson(plan, HeadRanks(plan, *model), devices);
  } else {
    PrintText(plan, HeadRanks(plan, *model), devices);
  }
  return absl::OkStatus();
}

}  // namespace

void AddPlanVerb(Command& root) {
  Command& verb =
      root.AddVerb("plan", "Which device would hold what, without running");
  auto flags = std::make_shared<PlanFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               SetText(&flags->model));
  verb.AddFlag({.names = "--local",
                .value = "N",
                .help = "N devices on this machine (1)",
                .group = "Where"},
               SetUint(&flags->where.local, 1, kLocalDevicesMax));
  verb.AddFlag({.names = "--cluster",
                .value = "FILE",
                .help = "Devices and settings from a cluster file (textproto)",
                .group = "Where"},
               SetText(&flags->where.cluster));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  AddHowFlags(verb, flags->how);
  verb.SetDetails(
      "Example:\n  shoal plan -m MODEL.gguf --local 4 --memory "
      "200MiB,100MiB,100MiB,50MiB");
  verb.SetCheck([flags] {
    SHOAL_RETURN_IF_ERROR(ChooseCluster(flags->where));
    if (flags->model.empty() && flags->where.cluster.empty()) {
      return absl::InvalidArgumentError(
          "--model is missing (a GGUF file, or a --cluster that names one)");
    }
    return CheckWhereFlags(flags->where);
  });
  verb.SetRunner([flags] { return MakeAndPrintPlan(*flags); });
}

}  // namespace shoal::cli
