#include "worker/hub_units.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "memory/slab.h"

namespace shoal::worker {

using model::PartRole;
using model::UnitLayout;
using model::UnitPart;

std::vector<uint32_t> HubUnits::IndicesIn(const model::UnitTable& units) {
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < units.units().size(); ++i) {
    if (units.unit(i).spec.id.kind == base::UnitKind::kHub) {
      indices.push_back(i);
    }
  }
  return indices;
}

namespace {

// One unit's bytes, checked. Hub units are vectors: every layout of a single
// row is the canonical one.
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
    const model::UnitTable& units, memory::WeightStore& store,
    memory::BlockFile& file,
    const std::function<absl::Status(uint32_t unit_index)>& repair) {
  HubUnits hub;
  const std::vector<uint32_t> indices = IndicesIn(units);
  uint64_t bytes_max = 0;
  for (const uint32_t index : indices) {
    bytes_max = std::max(bytes_max, units.unit(index).spec.bytes);
  }
  SHOAL_ASSIGN_OR_RETURN(
      memory::Slab buffer,
      memory::Slab::Create(base::AlignUp(bytes_max, memory::kStoreAlignment)));
  for (const uint32_t index : indices) {
    const UnitLayout& unit = units.unit(index);
    absl::Status read = ReadChecked(unit, index, store, file, buffer.span());
    if (absl::IsDataLoss(read)) {
      SHOAL_RETURN_IF_ERROR(repair(index));
      read = ReadChecked(unit, index, store, file, buffer.span());
    }
    SHOAL_RETURN_IF_ERROR(read);
    for (const UnitPart& part : unit.parts) {
      Vector& vector = hub.vectors_.emplace_back();
      vector.layer = unit.spec.id.layer;
      vector.phase = part.phase;
      vector.role = part.role;
      vector.values.resize(part.cols);
      std::memcpy(vector.values.data(), buffer.data() + part.unit_offset,
                  part.bytes());
    }
  }
  return hub;
}

std::span<const float> HubUnits::Find(uint32_t layer, uint32_t phase,
                                      PartRole role) const {
  for (const Vector& vector : vectors_) {
    if (vector.layer == layer && vector.phase == phase && vector.role == role) {
      return vector.values;
    }
  }
  return {};
}

std::span<const float> HubUnits::InputNorm(uint32_t layer,
                                           uint32_t phase) const {
  return Find(layer, phase, PartRole::kInputNorm);
}

std::span<const float> HubUnits::OutputBias(uint32_t layer,
                                            uint32_t phase) const {
  return Find(layer, phase, PartRole::kOutputBias);
}

std::span<const float> HubUnits::RopeFactors() const {
  return Find(0, 0, PartRole::kRopeFactors);
}

}  // namespace shoal::worker
