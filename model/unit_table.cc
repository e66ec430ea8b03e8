#include "model/unit_table.h"

#include <algorithm>

#include "base/status_macros.h"
#include "model/unit_grid.h"

namespace shoal::model {

const UnitPart* UnitLayout::Find(PartRole role) const {
  for (const UnitPart& part : parts) {
    if (part.role == role) return &part;
  }
  return nullptr;
}

absl::StatusOr<UnitTable> UnitTable::Create(const ModelSpec& spec,
                                            const GgufHeader& header) {
  UnitTable table;
  for (uint32_t layer = 0; layer < spec.layers.size(); ++layer) {
    SHOAL_RETURN_IF_ERROR(AddLayerUnits(spec, header, layer, table.units_));
  }
  for (const UnitLayout& unit : table.units_) {
    table.unit_bytes_max_ = std::max(table.unit_bytes_max_, unit.spec.bytes);
    table.total_bytes_ += unit.spec.bytes;
  }
  return table;
}

std::vector<base::UnitSpec> UnitTable::Specs() const {
  std::vector<base::UnitSpec> specs;
  specs.reserve(units_.size());
  for (const UnitLayout& unit : units_) specs.push_back(unit.spec);
  return specs;
}

}  // namespace shoal::model
