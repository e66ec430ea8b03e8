#include "worker/loaded_rank.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "memory/resident_set.h"
#include "model/dimensions.h"
#include "model/gguf.h"
#include "parallel/memory_need.h"
#include "parallel/pieces.h"
#include "parallel/reduce.h"
#include "worker/traced_file.h"
#include "worker/unit_install.h"

namespace shoal::worker {
namespace {

// Residents make room for KV in so many steps, none of them smaller than this:
// each moves what stays.
constexpr uint64_t kKvSteps = 8;
constexpr uint64_t kKvStepMin = 4 * base::kMiB;

using base::AlignUp;
using memory::kStoreAlignment;
using model::PartRole;

memory::WeightsMode ToMemory(parallel::WeightsMode mode) {
  switch (mode) {
    case parallel::WeightsMode::kAuto:
      return memory::WeightsMode::kAuto;
    case parallel::WeightsMode::kResident:
      return memory::WeightsMode::kResident;
    case parallel::WeightsMode::kStream:
      return memory::WeightsMode::kStream;
  }
  return memory::WeightsMode::kAuto;
}

kernels::KvType ToKernels(parallel::KvFormat format) {
  switch (format) {
    case parallel::KvFormat::kF32:
      return kernels::KvType::kF32;
    case parallel::KvFormat::kQ8:
      return kernels::KvType::kQ8;
    case parallel::KvFormat::kF16:
      break;
  }
  return kernels::KvType::kF16;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadedRank>> LoadedRank::Load(
    const parallel::RankSetup& setup, const RankResources& resources,
    parallel::UnitFetcher& fetcher,
    absl::FunctionRef<void(const parallel::LoadProgress&)> progress) {
  std::unique_ptr<LoadedRank> rank(new LoadedRank);
  rank->setup_ = setup;
  rank->kernels_ = resources.kernels;
  rank->team_ = resources.team;
  rank->clock_ =
      resources.clock == nullptr ? &base::Clock::Real() : resources.clock;
  if (setup.options.trace) {
    rank->trace_ =
        std::make_shared<base::TraceRecorder>(parallel::kTraceEventCountMax);
  }
  SHOAL_RETURN_IF_ERROR(rank->ReadModel());
  SHOAL_RETURN_IF_ERROR(rank->OpenStore(resources));
  SHOAL_RETURN_IF_ERROR(rank->Install(fetcher, progress));
  SHOAL_RETURN_IF_ERROR(rank->ReserveMemory(resources));
  return rank;
}

absl::Status LoadedRank::ReadModel() {
  const parallel::ModelDescription& model = setup_.model;
  const auto bytes = std::as_bytes(std::span(model.header));
  SHOAL_ASSIGN_OR_RETURN(
      model::GgufHeader header,
      model::GgufHeader::Parse(bytes, model.file_size, model.name));
  SHOAL_ASSIGN_OR_RETURN(spec_, model::LoadModelSpec(header));
  SHOAL_ASSIGN_OR_RETURN(units_, model::UnitTable::Create(spec_, header));
  setup_.model.header.clear();
  setup_.model.header.shrink_to_fit();
  const std::vector<base::UnitSpec> specs = units_->Specs();
  SHOAL_RETURN_IF_ERROR(parallel::ValidatePlan(setup_.plan, specs));
  if (setup_.rank >= setup_.plan.rank_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", setup_.rank, " of a plan for ",
                     setup_.plan.rank_count(), " ranks"));
  }
  own_units_ = setup_.plan.UnitsOf(setup_.rank);
  stages_ = WorkOf(setup_.plan, setup_.rank, spec_, *units_,
                   setup_.options.f32_activations);
  return absl::OkStatus();
}

absl::Status LoadedRank::OpenStore(const RankResources& resources) {
  memory::WeightStore::Options options;
  options.directory = resources.store_directory;
  options.disk_cap_bytes = resources.disk_cap_bytes;
  options.file_system = resources.file_system;
  options.clock = resources.clock;
  memory::StoreKey key;
  key.model_id = setup_.model.id;
  key.model_name = setup_.model.name;
  key.layout_id = static_cast<uint32_t>(kernels_->layout);
  key.units = units_->Specs();
  SHOAL_ASSIGN_OR_RETURN(
      store_, memory::WeightStore::Open(std::move(options), std::move(key)));
  return absl::OkStatus();
}

absl::Status LoadedRank::Install(
    parallel::UnitFetcher& fetcher,
    absl::FunctionRef<void(const parallel::LoadProgress&)> progress) {
  const std::vector<uint32_t> hub_indices =
      HubUnits::IndicesOf(setup_.plan, setup_.rank, *units_);
  std::vector<uint32_t> wanted = hub_indices;
  wanted.insert(wanted.end(), own_units_.begin(), own_units_.end());
  std::sort(wanted.begin(), wanted.end());
  SHOAL_ASSIGN_OR_RETURN(facts_.fetched_bytes,
                         InstallUnits(*units_, wanted, kernels_->layout,
                                      *store_, fetcher, progress));
  SHOAL_ASSIGN_OR_RETURN(file_, store_->OpenUnits());
  if (trace_ != nullptr) file_ = TraceReads(std::move(file_), *trace_);
  repair_ = [this, &fetcher](uint32_t index) -> absl::Status {
    SHOAL_RETURN_IF_ERROR(store_->Forget(index));
    return InstallUnits(*units_, std::span(&index, 1), kernels_->layout,
                        *store_, fetcher, [](const auto&) {})
        .status();
  };
  SHOAL_ASSIGN_OR_RETURN(hub_units_,
                         HubUnits::Load(*units_, hub_indices, kernels_->layout,
                                        *store_, *file_, repair_));
  SetRopeFactors();
  return absl::OkStatus();
}

void LoadedRank::SetRopeFactors() {
  const bool is_long =
      !spec_.rope_factors_long.empty() &&
      setup_.options.context_positions > spec_.rope_original_context;
  const auto factors = hub_units_->Vector(
      0, 0, is_long ? PartRole::kRopeFactorsLong : PartRole::kRopeFactors);
  for (model::LayerSpec& layer : spec_.layers) {
    for (model::PhaseSpec& phase : layer.phases) {
      // Layers without rotation need none.
      if (!phase.attention || phase.attention->rope.rotary_dim == 0) continue;
      phase.attention->rope.frequency_factors.assign(factors.begin(),
                                                     factors.end());
    }
  }
}

absl::Status LoadedRank::ReserveMemory(const RankResources& resources) {
  const std::vector<base::UnitSpec> specs = units_->Specs();
  const parallel::MemoryNeed need = parallel::NeedOf(
      setup_.plan, setup_.rank, specs,
      model::DimensionsOf(spec_, *units_, setup_.options.f32_activations),
      setup_.options);
  memory::BudgetRequest& request = budget_;
  request.mode = ToMemory(setup_.options.weights);
  request.budget_bytes = setup_.budget_bytes;
  request.fixed_bytes = setup_.fixed_bytes + need.hub_units;
  request.kv_bytes = need.kv;
  request.activation_bytes = need.activations;
  request.transport_bytes = need.transport;
  request.share_bytes = need.share;
  request.largest_unit_bytes = need.window_min;
  CreateKv(need.kv);
  kv_room_bytes_ = KvRoomFor(0);
  SHOAL_ASSIGN_OR_RETURN(const memory::BudgetSplit split, Split());
  SHOAL_RETURN_IF_ERROR(CreateCache(split, resources));
  SHOAL_ASSIGN_OR_RETURN(
      accumulator_,
      memory::Slab::Create(uint64_t{setup_.plan.chunk_tokens} * spec_.hidden *
                           parallel::BytesOf(setup_.plan.payload)));
  CreateBuffers(resources);
  facts_.rank = setup_.rank;
  facts_.name = setup_.plan.device_names[setup_.rank];
  facts_.units = own_units_.size();
  facts_.budget_bytes = setup_.budget_bytes;
  facts_.share_bytes = need.share;
  facts_.kv_bytes = need.kv;
  facts_.isa = std::string(kernels_->isa);
  facts_.io_engine = std::string(file_->engine());
  facts_.threads = resources.team->member_count();
  return absl::OkStatus();
}

void LoadedRank::CreateKv(uint64_t budget_bytes) {
  std::vector<uint64_t> streams;
  for (const uint32_t index : own_units_) {
    const model::UnitLayout& unit = units_->unit(index);
    model::UnitView& view = views_.emplace_back();
    view.layout = &unit;
    view.kv_stream = static_cast<uint32_t>(streams.size());
    if (unit.spec.id.kind != base::UnitKind::kAttention) continue;
    const model::AttentionSpec& attention =
        *spec_.layers[unit.spec.id.layer].phases[unit.spec.id.phase].attention;
    streams.insert(
        streams.end(), unit.count,
        kernels::KvPageBytes(ToKernels(setup_.options.kv), attention.key_dim,
                             attention.value_dim));
  }
  memory::KvCache::Options options;
  options.positions_per_page = kernels::kKvPagePositions;
  options.budget_bytes = budget_bytes;
  kv_ = std::make_unique<memory::KvCache>(options, std::move(streams));
}

bool LoadedRank::IsRouted(uint32_t unit_index) const {
  return units_->unit(unit_index).spec.id.kind == base::UnitKind::kExpert;
}

uint64_t LoadedRank::PaddedBytesOf(uint32_t unit_index) const {
  return AlignUp(units_->unit(unit_index).spec.bytes, kStoreAlignment);
}

std::vector<bool> LoadedRank::ChooseResidents(
    uint64_t budget_bytes, const std::vector<bool>& present) const {
  std::vector<bool> resident(own_units_.size(), false);
  for (const bool routed : {false, true}) {
    std::vector<size_t> positions;
    std::vector<uint64_t> candidates;
    std::vector<bool> there;
    for (size_t i = 0; i < own_units_.size(); ++i) {
      if (IsRouted(own_units_[i]) != routed) continue;
      positions.push_back(i);
      candidates.push_back(PaddedBytesOf(own_units_[i]));
      there.push_back(present[i]);
    }
    const std::vector<bool> chosen =
        memory::ChangeResidents(candidates, there, budget_bytes);
    for (size_t i = 0; i < chosen.size(); ++i) {
      if (!chosen[i]) continue;
      resident[positions[i]] = true;
      budget_bytes -= candidates[i];
    }
  }
  return resident;
}

uint64_t LoadedRank::WindowBytes(const memory::BudgetSplit& split,
                                 const std::vector<bool>& resident) const {
  uint64_t routed_bytes_max = 0;
  uint32_t routed_count = 0;
  for (size_t i = 0; i < own_units_.size(); ++i) {
    if (resident[i] || !IsRouted(own_units_[i])) continue;
    routed_bytes_max = std::max(routed_bytes_max, PaddedBytesOf(own_units_[i]));
    ++routed_count;
  }
  return split.window_bytes -
         std::min(split.window_bytes, memory::RoutedUnits::BytesFor(
                                          routed_bytes_max, routed_count));
}

void LoadedRank::NoteMemory(const memory::BudgetSplit& split) {
  facts_.budget_bytes = budget_.budget_bytes;
  facts_.resident_bytes = cache_->resident_bytes();
  facts_.window_bytes = split.window_bytes;
}

absl::Status LoadedRank::CreateCache(const memory::BudgetSplit& split,
                                     const RankResources& resources) {
  const std::vector<bool> resident = ChooseResidents(
      split.resident_bytes, std::vector<bool>(own_units_.size(), false));
  std::vector<memory::CacheEntry> entries;
  for (size_t i = 0; i < own_units_.size(); ++i) {
    const uint32_t index = own_units_[i];
    memory::CacheEntry& entry = entries.emplace_back();
    entry.unit_index = index;
    entry.offset = store_->OffsetOf(index);
    entry.bytes = store_->BytesOf(index);
    entry.crc32c = store_->Crc32cOf(index);
    entry.resident = resident[i];
    entry.routed = IsRouted(index);
  }
  memory::WeightCache::Options options;
  options.window_bytes = WindowBytes(split, resident);
  if (budget_.mode == memory::WeightsMode::kAuto) {
    options.resident_bytes_max = budget_.share_bytes;
  }
  options.clock = resources.clock;
  options.repair = repair_;
  SHOAL_ASSIGN_OR_RETURN(cache_,
                         memory::WeightCache::Create(std::move(options), *file_,
                                                     std::move(entries)));
  NoteMemory(split);
  return absl::OkStatus();
}

memory::MemoryWatch::Range LoadedRank::budget_range() const {
  memory::BudgetRequest boundless = budget_;
  boundless.budget_bytes = std::numeric_limits<uint64_t>::max();
  const memory::BudgetSplit most = memory::SplitBudget(boundless).value();
  memory::BudgetRequest without_weights = budget_;
  without_weights.share_bytes = 0;
  return {.budget = setup_.budget_bytes,
          .floor = memory::FloorBytes(budget_),
          .full = memory::FloorBytes(without_weights) + most.resident_bytes +
                  most.window_bytes};
}

absl::StatusOr<bool> LoadedRank::SetBudget(uint64_t budget_bytes) {
  // A budget that is far from being used does not hold growth up.
  const uint64_t used = std::min(budget_.budget_bytes, budget_range().full);
  budget_.budget_bytes = std::min(budget_bytes, used + kGrowthBytesMax);
  SHOAL_RETURN_IF_ERROR(ApplySplit());
  return budget_.budget_bytes == budget_bytes;
}

absl::StatusOr<memory::BudgetSplit> LoadedRank::Split() const {
  memory::BudgetRequest now = budget_;
  // Whether the plan fits is a question of all of its KV.
  SHOAL_RETURN_IF_ERROR(memory::SplitBudget(now).status());
  now.kv_bytes = kv_room_bytes_;
  return memory::SplitBudget(now);
}

absl::Status LoadedRank::ApplySplit() {
  SHOAL_ASSIGN_OR_RETURN(const memory::BudgetSplit split, Split());
  std::vector<bool> present;
  for (uint32_t i = 0; i < cache_->entry_count(); ++i) {
    present.push_back(cache_->is_resident(i));
  }
  const std::vector<bool> resident =
      ChooseResidents(split.resident_bytes, present);
  if (resident != present || split.window_bytes != facts_.window_bytes) {
    SHOAL_RETURN_IF_ERROR(
        cache_->ChangeResidents(resident, WindowBytes(split, resident)));
  }
  NoteMemory(split);
  return absl::OkStatus();
}

uint64_t LoadedRank::KvRoomFor(uint64_t bytes) const {
  const uint64_t step =
      std::max({budget_.kv_bytes / kKvSteps, kv_->block_bytes(), kKvStepMin});
  const uint64_t steps = std::max<uint64_t>(1, (bytes + step - 1) / step);
  return std::min(budget_.kv_bytes, steps * step);
}

absl::Status LoadedRank::MakeRoomForKv(const parallel::Pass& pass) {
  uint64_t used = kv_->bytes_in_use();
  for (const parallel::PassRow& row : pass.rows) {
    used +=
        kv_->BytesMissing(row.session, row.first_position + row.token_count);
  }
  const uint64_t wanted = KvRoomFor(used);
  if (used > kv_room_bytes_) {
    kv_room_bytes_ = wanted;
    return ApplySplit();
  }
  // Not for one step less: the next text may be as long as the last.
  if (KvRoomFor(wanted + 1) >= kv_room_bytes_) return absl::OkStatus();
  kv_->FreeUnused();
  kv_room_bytes_ = std::max(
      wanted, kv_room_bytes_ - std::min(kv_room_bytes_, kGrowthBytesMax));
  return ApplySplit();
}

void LoadedRank::CreateBuffers(const RankResources& resources) {
  const parallel::Plan& plan = setup_.plan;
  const base::ModelDimensions dimensions =
      model::DimensionsOf(spec_, *units_, setup_.options.f32_activations);
  const uint32_t tokens = plan.chunk_tokens;
  model::UnitCompute::Options options;
  options.f32_activations = setup_.options.f32_activations;
  options.kv_type = ToKernels(setup_.options.kv);
  options.hidden = spec_.hidden;
  options.unit_scratch_floats = dimensions.unit_scratch_floats;
  options.tokens_max = tokens;
  compute_ = std::make_unique<model::UnitCompute>(options, *kernels_,
                                                  *resources.team, *kv_);
  std::vector<model::PhaseShape> shapes;
  uint64_t input_row = 0;
  for (const StageWork& stage : stages_) {
    for (const PhaseWork& work : stage.phases) {
      shapes.push_back(work.shape);
      input_row =
          std::max(input_row, model::PhaseInput::WireBytes(work.shape, 1));
    }
  }
  input_ = std::make_unique<model::PhaseInput>(shapes, tokens);
  const bool is_hub = std::any_of(
      plan.stages.begin(), plan.stages.end(),
      [this](const auto& stage) { return stage.hub == setup_.rank; });
  const uint64_t row = spec_.hidden;
  // Under the plain star every rank norms the residual that it is sent.
  if (is_hub || plan.collective == parallel::Collective::kStar) {
    residual_.resize(tokens * row);
  }
  const uint64_t widest =
      std::max({row * parallel::BytesOf(plan.payload), row * sizeof(float),
                input_row, uint64_t{spec_.vocabulary} * sizeof(float)});
  payload_bytes_max_ = std::max(parallel::kPieceBytes, widest);
}

}  // namespace shoal::worker
