// Unit lists of made-up models for tests of planning.

#ifndef SHOAL_TESTS_PARALLEL_FAKE_UNITS_H_
#define SHOAL_TESTS_PARALLEL_FAKE_UNITS_H_

#include <cstdint>
#include <vector>

#include "base/unit.h"

namespace shoal::parallel {

struct FakeShape {
  uint32_t layers = 4;
  uint32_t kv_groups = 4;  // of each layer
  uint32_t ffn_units = 22;
  uint32_t head_units = 16;
  uint64_t unit_bytes = 40000;
  uint64_t unit_macs = 64000;
  uint64_t kv_elements = 128;  // of an attention unit, for one position
};

inline std::vector<base::UnitSpec> FakeUnits(const FakeShape& shape) {
  using base::UnitKind;
  std::vector<base::UnitSpec> units;
  const auto add = [&](base::UnitId id, uint64_t bytes, uint64_t macs,
                       uint64_t kv) {
    units.push_back({id, bytes, macs, kv, (kv + 31) / 32});
  };
  for (uint32_t l = 0; l < shape.layers; ++l) {
    add({l, 0, UnitKind::kHub, 0, 0}, 512, 0, 0);
    for (uint32_t i = 0; i < shape.kv_groups; ++i) {
      add({l, 0, UnitKind::kAttention, 0, i}, shape.unit_bytes, shape.unit_macs,
          shape.kv_elements);
    }
    for (uint32_t i = 0; i < shape.ffn_units; ++i) {
      add({l, 1, UnitKind::kFfn, 0, i}, shape.unit_bytes, shape.unit_macs, 0);
    }
  }
  add({shape.layers, 0, UnitKind::kHub, 0, 0}, 512, 0, 0);
  for (uint32_t i = 0; i < shape.head_units; ++i) {
    add({shape.layers, 0, UnitKind::kHead, 0, i}, shape.unit_bytes,
        shape.unit_macs, 0);
  }
  return units;
}

}  // namespace shoal::parallel

#endif  // SHOAL_TESTS_PARALLEL_FAKE_UNITS_H_
