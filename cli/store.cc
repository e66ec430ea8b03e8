#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/progress.h"
#include "cli/store_root.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "memory/store_admin.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

struct StoreFlags {
  std::string store;
  std::string model;  // an id
  uint64_t disk_cap_bytes = std::numeric_limits<uint64_t>::max();
  bool all = false;
  bool json = false;
};

std::string TimeText(absl::Time time) {
  if (time == absl::InfinitePast()) return "unknown";
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

absl::Status List(const StoreFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.store));
  nlohmann::json json = nlohmann::json::array();
  Table table({"device", "model", "id", "units", "on disk", "last used"});
  table.AlignRight(3);
  table.AlignRight(4);
  for (const std::string& device : DevicesWithStores(root)) {
    SHOAL_ASSIGN_OR_RETURN(const auto stores,
                           memory::ListStores(DeviceStore(root, device)));
    for (const memory::StoreSummary& store : stores) {
      table.AddRow({device, store.model_name, store.model_id,
                    absl::StrCat(store.unit_count),
                    base::FormatByteSize(store.disk_bytes),
                    TimeText(store.last_used)});
      json.push_back({{"device", device},
                      {"model_id", store.model_id},
                      {"model_name", store.model_name},
                      {"model_bytes", store.model_bytes},
                      {"units", store.unit_count},
                      {"disk_bytes", store.disk_bytes}});
    }
  }
  if (flags.json) {
    const nlohmann::json object = {{"store", root}, {"models", json}};
    std::printf("%s\n", object.dump(2).c_str());
  } else if (json.empty()) {
    std::printf("%s holds no models\n", root.c_str());
  } else {
    std::fputs(table.Text().c_str(), stdout);
  }
  return absl::OkStatus();
}

absl::Status CollectGarbage(const StoreFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.store));
  const uint64_t cap = flags.all ? 0 : flags.disk_cap_bytes;
  uint64_t removed = 0;
  uint64_t left = 0;
  for (const std::string& device : DevicesWithStores(root)) {
    SHOAL_ASSIGN_OR_RETURN(
        const memory::GarbageResult result,
        memory::CollectGarbage(DeviceStore(root, device), cap));
    for (const memory::StoreSummary& store : result.removed) {
      std::printf("%s: removed %s (%s)\n", device.c_str(),
                  store.model_name.c_str(),
                  base::FormatByteSize(store.disk_bytes).c_str());
      removed += store.disk_bytes;
    }
    left += result.disk_bytes;
  }
  std::printf("%s removed, %s left in %s\n",
              base::FormatByteSize(removed).c_str(),
              base::FormatByteSize(left).c_str(), root.c_str());
  return absl::OkStatus();
}

// Returns the number of damaged units.
absl::StatusOr<uint64_t> VerifyModel(const std::string& directory,
                                     const std::string& device,
                                     const memory::StoreSummary& store) {
  Progress line;
  SHOAL_ASSIGN_OR_RETURN(
      const std::vector<memory::UnitCheck> checks,
      memory::VerifyStore(
          directory, store.model_id, [&](uint64_t done, uint64_t total) {
            line.Bytes(absl::StrCat("checking ", device), done, total);
          }));
  line.Done();
  uint64_t damaged = 0;
  for (const memory::UnitCheck& check : checks) {
    if (check.status.ok()) continue;
    ++damaged;
    std::printf("%s: %s: unit %u of layout %u: %s\n", device.c_str(),
                store.model_name.c_str(), check.unit_index, check.layout_id,
                std::string(check.status.message()).c_str());
  }
  std::printf("%s: %s: %zu units, %llu damaged\n", device.c_str(),
              store.model_name.c_str(), checks.size(),
              static_cast<unsigned long long>(damaged));
  return damaged;
}

absl::Status Verify(const StoreFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.store));
  uint64_t damaged = 0;
  bool found = false;
  for (const std::string& device : DevicesWithStores(root)) {
    const std::string directory = DeviceStore(root, device);
    SHOAL_ASSIGN_OR_RETURN(const auto stores, memory::ListStores(directory));
    for (const memory::StoreSummary& store : stores) {
      if (!flags.model.empty() && flags.model != store.model_id) continue;
      found = true;
      SHOAL_ASSIGN_OR_RETURN(const uint64_t count,
                             VerifyModel(directory, device, store));
      damaged += count;
    }
  }
  if (!flags.model.empty() && !found) {
    return absl::NotFoundError(
        absl::StrCat("no store in ", root, " has the model ", flags.model,
                     "; shoal store list shows what there is"));
  }
  if (damaged > 0) {
    return absl::DataLossError(
        absl::StrCat(damaged,
                     " units are damaged; the next run that needs "
                     "them fetches them again"));
  }
  return absl::OkStatus();
}

void AddStoreFlag(Command& verb, StoreFlags& flags) {
  verb.AddFlag({.names = "--store",
                .value = "DIR",
                .help = "Where the stores are "
                        "(default: $XDG_CACHE_HOME/shoal/store)"},
               SetText(&flags.store));
}

}  // namespace

void AddStoreVerb(Command& root) {
  Command& store = root.AddVerb("store", "The weights kept on this machine");
  auto flags = std::make_shared<StoreFlags>();

  Command& list = store.AddVerb("list", "What is in the store");
  AddStoreFlag(list, *flags);
  list.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  list.SetRunner([flags] { return List(*flags); });

  Command& gc = store.AddVerb("gc", "Remove models, the least recent first");
  AddStoreFlag(gc, *flags);
  gc.AddFlag({.names = "--disk-cap",
              .value = "SIZE",
              .help = "Remove until each device's store is at most this large"},
             SetBytes(&flags->disk_cap_bytes));
  gc.AddSwitch({.names = "--all", .help = "Remove all that is not in use"},
               &flags->all);
  gc.SetCheck([flags] {
    if (flags->all !=
        (flags->disk_cap_bytes != std::numeric_limits<uint64_t>::max())) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("give either --disk-cap SIZE or --all");
  });
  gc.SetRunner([flags] { return CollectGarbage(*flags); });

  Command& verify = store.AddVerb("verify", "Compare all checksums");
  AddStoreFlag(verify, *flags);
  verify.AddFlag({.names = "--id",
                  .value = "ID",
                  .help = "Only this model (see shoal store list)"},
                 SetText(&flags->model));
  verify.SetRunner([flags] { return Verify(*flags); });
}

}  // namespace shoal::cli
