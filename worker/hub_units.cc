#include "worker/hub_units.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/status_macros.h"

namespace shoal::worker {

using model::PartRole;
using model::UnitLayout;
using model::UnitPart;

std::vector<uint32_t> HubUnits::IndicesOf(const parallel::Plan& plan,
                                          uint32_t rank,
                                          const model::UnitTable& units) {
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < units.units().size(); ++i) {
    if (parallel::KeepsHubUnit(plan, rank, units.unit(i).spec.id)) {
      indices.push_back(i);
    }
  }
  return indices;
}

namespace {

// One unit's bytes, checked.
absl::Status ReadChecked(const UnitLayout& unit, uint32_t index,
                         memory::WeightStore& store, memory::BlockFile& file,
                         std::span<std::byte> buffer) {
  const uint64_t bytes =
      base::AlignUp(unit.spec.bytes, memory::kStoreAlignment);
  SHOAL_RETURN_IF_ERROR(
      file.ReadAt(store.OffsetOf(index), buffer.first(bytes)));
  const uint32_t found = base::Crc32c(buffer.first(unit.spec.bytes));
  if (found == store.Crc32cOf(index)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      store.units_path(), ": ", base::ToString(unit.spec.id), " at ",
      store.OffsetOf(index), " does not have its checksum"));
}

}  // namespace

absl::StatusOr<HubUnits> HubUnits::Load(
    const model::UnitTable& units, std::span<const uint32_t> indices,
    kernels::LayoutId layout, memory::WeightStore& store,
    memory::BlockFile& file,
    const std::function<absl::Status(uint32_t unit_index)>& repair) {
  HubUnits hub;
  for (const uint32_t index : indices) {
    const UnitLayout& unit = units.unit(index);
    SHOAL_ASSIGN_OR_RETURN(memory::Slab slab,
                           memory::Slab::Create(base::AlignUp(
                               unit.spec.bytes, memory::kStoreAlignment)));
    absl::Status read = ReadChecked(unit, index, store, file, slab.span());
    if (absl::IsDataLoss(read)) {
      SHOAL_RETURN_IF_ERROR(repair(index));
      read = ReadChecked(unit, index, store, file, slab.span());
    }
    SHOAL_RETURN_IF_ERROR(read);
    for (const UnitPart& part : unit.parts) {
      hub.parts_[{unit.spec.id.layer, part.phase, part.role, part.slot}] = {
          part.type, layout, part.rows, part.cols,
          slab.data() + part.unit_offset};
    }
    hub.slabs_.push_back(std::move(slab));
  }
  return hub;
}

std::span<const float> HubUnits::Vector(uint32_t layer, uint32_t phase,
                                        PartRole role, uint32_t slot) const {
  const auto found = parts_.find({layer, phase, role, slot});
  if (found == parts_.end()) return {};
  // A single row is the same in every layout.
  return {reinterpret_cast<const float*>(found->second.data),
          found->second.cols};
}

kernels::WeightMatrix HubUnits::Matrix(uint32_t layer, uint32_t phase,
                                       PartRole role, uint32_t slot) const {
  const auto found = parts_.find({layer, phase, role, slot});
  SHOAL_CHECK(found != parts_.end(), "layer ", layer, " phase ", phase);
  return found->second;
}

}  // namespace shoal::worker
