// Reads a model file and places its units on devices.

#ifndef SHOAL_COORDINATOR_PLACEMENT_H_
#define SHOAL_COORDINATOR_PLACEMENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unit.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/unit_table.h"
#include "parallel/plan.h"
#include "parallel/planner.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// What the user asks of a plan; parallel::PlanRequest has the meanings.
struct PlanOptions {
  parallel::RunOptions run;
  parallel::Payload payload = parallel::Payload::kF64;
  parallel::Collective collective = parallel::Collective::kFusedStar;
  parallel::HeadPlacement head = parallel::HeadPlacement::kSharded;
  uint32_t tensor_parallel = 0;  // 0: one stage of all devices
  uint32_t pipeline_parallel = 0;
  std::vector<double> shares;  // by rank; empty: by profile
  // The same by name, where `shares` is empty; of all devices or of none.
  std::map<std::string, double> shares_by_name;
  // Of the whole model at most, by name: above 0, at most 1.
  std::map<std::string, double> max_shares;
  uint32_t chunk_tokens = 0;  // 0: from the budgets
};

// What of a GGUF file the coordinator works with. No tensor data is held.
// Threads: immutable.
struct ModelFile {
  std::string path;
  model::GgufHeader header;
  model::ModelSpec spec;
  model::UnitTable table;
  std::vector<base::UnitSpec> units;       // table.Specs()
  parallel::ModelDescription description;  // what ranks are told
  // Of a file without most of its tensor data (model/gguf_external.h).
  std::optional<model::GgufExternal> external;

  // Errors: of GgufHeader::ReadFile(), LoadModelSpec(), UnitTable::Create()
  // and model::CheckExternal().
  static absl::StatusOr<std::unique_ptr<ModelFile>> Read(
      const std::string& path);

  // The same of a header that was read from `path`. The result keeps the header
  // without the tokenizer, which is most of it.
  static absl::StatusOr<std::unique_ptr<ModelFile>> FromHeader(
      const std::string& path, model::GgufHeader header);
};

// Plans without a fleet, too: `shoal plan`.
// Errors: as parallel::MakePlan(); kInvalidArgument also for a context
//         (`run.context_positions`) of 0 or above 2^20, and for a device that
//         is not in a shares_by_name that is not empty.
absl::StatusOr<parallel::Plan> PlanModel(
    const ModelFile& model, std::vector<parallel::DeviceProfile> devices,
    const PlanOptions& options);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_PLACEMENT_H_
