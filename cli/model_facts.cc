#include "cli/model_facts.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/flags_how.h"
#include "coordinator/placement.h"
#include "kernels/kernel_table.h"
#include "model/architecture.h"
#include "model/chat_template.h"
#include "model/dimensions.h"
#include "model/gguf_parts.h"
#include "model/tokenizer.h"
#include "model/unit_table.h"
#include "parallel/memory_fit.h"
#include "parallel/memory_need.h"

namespace shoal::cli {
namespace {

constexpr uint32_t kDevicesMax = 8;
// What the program takes without a model; a run measures it.
constexpr uint64_t kProgramBytes = uint64_t{20} << 20;

void AddSpec(const model::ModelSpec& spec, ModelFacts& facts) {
  facts.layers = spec.layer_count();
  facts.hidden = spec.hidden;
  facts.vocabulary = spec.vocabulary;
  facts.trained_context = spec.trained_context;
  facts.remarks = spec.remarks;
  // The last is the head.
  for (size_t i = 0; i + 1 < spec.layers.size(); ++i) {
    for (const model::PhaseSpec& phase : spec.layers[i].phases) {
      if (phase.attention) {
        facts.heads = phase.attention->head_count;
        facts.kv_heads = phase.attention->kv_head_count;
      }
      if (phase.ffn) facts.ffn_width = phase.ffn->width;
      if (phase.experts) {
        facts.experts = phase.experts->count();
        facts.experts_used = phase.experts->used;
      }
    }
  }
}

absl::StatusOr<DeviceNeed> NeedOf(const coordinator::ModelFile& model,
                                  const coordinator::PlanOptions& options,
                                  uint32_t devices) {
  std::vector<parallel::DeviceProfile> profiles(devices);
  for (uint32_t r = 0; r < devices; ++r) {
    profiles[r].name = absl::StrCat("device-", r);
    profiles[r].fixed_bytes = kProgramBytes;
  }
  SHOAL_ASSIGN_OR_RETURN(const parallel::Plan plan,
                         coordinator::PlanModel(model, profiles, options));
  const auto dimensions =
      model::DimensionsOf(model.spec, model.table, options.run.f32_activations);
  DeviceNeed most;
  most.devices = devices;
  for (uint32_t r = 0; r < devices; ++r) {
    const parallel::MemoryNeed need =
        parallel::NeedOf(plan, r, model.units, dimensions, options.run);
    most.share_bytes = std::max(most.share_bytes, need.share);
    most.floor_stream_bytes = std::max(
        most.floor_stream_bytes,
        parallel::FloorOf(profiles[r], need, parallel::WeightsMode::kStream));
    most.floor_resident_bytes = std::max(
        most.floor_resident_bytes,
        parallel::FloorOf(profiles[r], need, parallel::WeightsMode::kResident));
  }
  return most;
}

absl::Status AddUnits(const std::string& path, const model::GgufHeader& header,
                      ModelFacts& facts) {
  SHOAL_ASSIGN_OR_RETURN(const auto model,
                         coordinator::ModelFile::FromHeader(path, header));
  AddSpec(model->spec, facts);
  for (const base::UnitSpec& unit : model->units) {
    UnitGroup& group = facts.units[unit.id.kind];
    ++group.count;
    group.bytes += unit.bytes;
    facts.kv_elements_per_position += unit.kv_elements;
    facts.kv_blocks_per_position += unit.kv_blocks;
  }
  coordinator::PlanOptions options =
      PlanOptionsOf(HowFlags(), facts.trained_context, /*local=*/true);
  options.chunk_tokens = 1;  // the least memory that works
  facts.context = options.run.context_positions;
  for (uint32_t devices = 1; devices <= kDevicesMax; ++devices) {
    options.shares.assign(devices, 1);
    SHOAL_ASSIGN_OR_RETURN(const DeviceNeed need,
                           NeedOf(*model, options, devices));
    facts.needs.push_back(need);
  }
  return absl::OkStatus();
}

absl::Status AddTokenizer(const model::GgufHeader& header,
                          const model::Tokenizer& tokenizer,
                          ModelFacts& facts) {
  SHOAL_ASSIGN_OR_RETURN(const auto kind,
                         header.FindString("tokenizer.ggml.model"));
  SHOAL_ASSIGN_OR_RETURN(const auto pre,
                         header.FindString("tokenizer.ggml.pre"));
  facts.tokenizer = kind.value_or("");
  if (pre) absl::StrAppend(&facts.tokenizer, ", ", *pre);
  for (const int32_t id : tokenizer.vocabulary().end_of_generation_ids()) {
    facts.end_tokens.push_back(std::string(tokenizer.vocabulary().Text(id)));
  }
  return absl::OkStatus();
}

// What runs here, but slowly.
void AddPlainTypes(ModelFacts& facts) {
  const auto table = kernels::SelectKernels("auto");
  if (!table.ok()) return;
  std::vector<absl::string_view> plain;
  for (const kernels::WeightType type : (*table)->plain_types) {
    const absl::string_view name = kernels::InfoOf(type).name;
    if (facts.types.contains(std::string(name))) plain.push_back(name);
  }
  if (plain.empty()) return;
  facts.remarks.push_back(
      absl::StrCat("slow on this processor, which has no vector code for ",
                   absl::StrJoin(plain, ", "), " (", (*table)->isa, ")"));
}

void AddTemplate(const model::GgufHeader& header,
                 const model::Tokenizer* tokenizer, ModelFacts& facts) {
  const auto fail = [&](const absl::Status& status) {
    facts.chat_template = ModelFacts::Template::kFails;
    facts.template_text = std::string(status.message());
  };
  const auto chat_template = model::ChatTemplate::FromHeader(header);
  if (!chat_template.ok()) return fail(chat_template.status());
  if (!chat_template->has_value()) return;
  model::ChatInput input;
  input.messages = {{"user", "Hello"}};
  input.now = absl::Now();
  if (tokenizer != nullptr) model::SetSpecialTokens(*tokenizer, input);
  absl::StatusOr<std::string> text = (*chat_template)->Render(input);
  if (!text.ok()) return fail(text.status());
  facts.chat_template = ModelFacts::Template::kWorks;
  facts.template_text = *std::move(text);
}

}  // namespace

const char* KindName(base::UnitKind kind) {
  switch (kind) {
    case base::UnitKind::kHub:
      return "hub";
    case base::UnitKind::kAttention:
      return "attention";
    case base::UnitKind::kFfn:
      return "ffn";
    case base::UnitKind::kExpert:
      return "expert";
    case base::UnitKind::kHead:
      return "head";
  }
  return "?";
}

absl::StatusOr<ModelFacts> FactsOf(const std::string& path,
                                   const model::GgufHeader& header) {
  ModelFacts facts;
  facts.file = header.source();
  facts.gguf_version = header.version();
  SHOAL_ASSIGN_OR_RETURN(const auto parts, model::FindGgufParts(path));
  facts.file_count = parts.size();
  for (const model::GgufPart& part : parts) facts.file_bytes += part.bytes;
  SHOAL_ASSIGN_OR_RETURN(auto name, header.FindString("general.name"));
  SHOAL_ASSIGN_OR_RETURN(auto family,
                         header.FindString("general.architecture"));
  facts.name = name.value_or("");
  facts.family = family.value_or("");
  for (const model::GgufTensor& tensor : header.tensors()) {
    UnitGroup& group =
        facts.types[std::string(kernels::InfoOf(tensor.type).name)];
    ++group.count;
    group.bytes += tensor.bytes;
    if (header.external() &&
        tensor.offset + tensor.bytes > header.external()->inline_end) {
      ++facts.external.count;
      facts.external.bytes += tensor.bytes;
    }
  }
  if (const absl::Status status = AddUnits(path, header, facts); !status.ok()) {
    facts.unsupported.push_back(std::string(status.message()));
  }
  AddPlainTypes(facts);
  const auto tokenizer = model::Tokenizer::Create(header);
  if (tokenizer.ok()) {
    SHOAL_RETURN_IF_ERROR(AddTokenizer(header, **tokenizer, facts));
  } else {
    facts.tokenizer = "not supported";
    facts.unsupported.push_back(std::string(tokenizer.status().message()));
  }
  AddTemplate(header, tokenizer.ok() ? tokenizer->get() : nullptr, facts);
  return facts;
}

}  // namespace shoal::cli
