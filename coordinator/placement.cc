#include "coordinator/placement.h"

#include <filesystem>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "model/dimensions.h"
#include "model/gguf_external.h"

namespace shoal::coordinator {
namespace {

constexpr uint32_t kContextPositionsMax = 1 << 20;

// Names the stores. The tokenizer is no part of it: it is never stored. The
// contents of tensors are no part either: every unit has its own digest.
std::string ModelIdOf(const std::string& header, uint64_t file_size,
                      uint64_t data_offset) {
  base::DigestBuilder builder;
  builder.Add(std::as_bytes(std::span(header)));
  const uint64_t numbers[] = {file_size, data_offset};
  builder.Add(std::as_bytes(std::span(numbers)));
  return base::ToString(builder.Finish());
}

// Of the devices of the request.
absl::Status SetShares(const PlanOptions& options,
                       parallel::PlanRequest& request) {
  for (parallel::DeviceProfile& device : request.devices) {
    const auto max_share = options.max_shares.find(device.name);
    if (max_share != options.max_shares.end()) {
      device.max_share = max_share->second;
    }
  }
  request.shares = options.shares;
  if (!request.shares.empty() || options.shares_by_name.empty()) {
    return absl::OkStatus();
  }
  for (const parallel::DeviceProfile& device : request.devices) {
    const auto share = options.shares_by_name.find(device.name);
    if (share == options.shares_by_name.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the device ", device.name, " has no share, but others have"));
    }
    request.shares.push_back(share->second);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::Read(
    const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(model::GgufHeader header,
                         model::GgufHeader::ReadFile(path));
  return FromHeader(path, std::move(header));
}

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::FromHeader(
    const std::string& path, model::GgufHeader whole) {
  parallel::ModelDescription description;
  description.header = whole.Serialize("tokenizer.");
  description.file_size = whole.file_size();
  description.id =
      ModelIdOf(description.header, whole.file_size(), whole.data_offset());
  std::optional<model::GgufExternal> external = whole.external();
  whole = {};  // gives its memory back before the rest is read
  SHOAL_ASSIGN_OR_RETURN(
      model::GgufHeader header,
      model::GgufHeader::Parse(std::as_bytes(std::span(description.header)),
                               description.file_size, path));
  SHOAL_ASSIGN_OR_RETURN(model::ModelSpec spec, model::LoadModelSpec(header));
  SHOAL_ASSIGN_OR_RETURN(model::UnitTable table,
                         model::UnitTable::Create(spec, header));
  if (external) {
    SHOAL_RETURN_IF_ERROR(model::CheckExternal(*external, spec, header, table));
  }
  std::vector<base::UnitSpec> units = table.Specs();
  description.name = spec.name.empty()
                         ? std::filesystem::path(path).stem().string()
                         : spec.name;
  return std::make_unique<ModelFile>(
      ModelFile{path, std::move(header), std::move(spec), std::move(table),
                std::move(units), std::move(description), std::move(external)});
}

absl::StatusOr<parallel::Plan> PlanModel(
    const ModelFile& model, std::vector<parallel::DeviceProfile> devices,
    const PlanOptions& options) {
  const uint32_t positions = options.run.context_positions;
  if (positions == 0 || positions > kContextPositionsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the context is ", positions, " positions; allowed: 1 to ",
                     kContextPositionsMax, " (--ctx)"));
  }
  SHOAL_CHECK(options.run.session_count >= 1 &&
              options.run.session_count <= parallel::kSessionCountMax);
  parallel::PlanRequest request;
  request.units = model.units;
  request.dimensions =
      model::DimensionsOf(model.spec, model.table, options.run.f32_activations);
  request.devices = std::move(devices);
  SHOAL_RETURN_IF_ERROR(SetShares(options, request));
  request.options = options.run;
  request.payload = options.payload;
  request.collective = options.collective;
  request.head = options.head;
  request.tensor_parallel = options.tensor_parallel;
  request.pipeline_parallel = options.pipeline_parallel;
  request.chunk_tokens = options.chunk_tokens;
  SHOAL_ASSIGN_OR_RETURN(parallel::Plan plan, parallel::MakePlan(request));
  const uint32_t trained = model.spec.trained_context;
  if (trained > 0 && positions > trained) {
    plan.notes.push_back(absl::StrCat("the model was trained for ", trained,
                                      " positions; beyond them its text may "
                                      "degrade (--ctx is ",
                                      positions, ")"));
  }
  return plan;
}

}  // namespace shoal::coordinator
