// A request for a plan that owns its made-up units.

#ifndef SHOAL_TESTS_PARALLEL_PLAN_CASE_H_
#define SHOAL_TESTS_PARALLEL_PLAN_CASE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "parallel/memory_fit.h"
#include "parallel/planner.h"
#include "tests/parallel/fake_units.h"

namespace shoal::parallel {

struct Case {
  explicit Case(const FakeShape& shape, std::vector<double> rates)
      : units(FakeUnits(shape)) {
    request.units = units;
    request.dimensions.hidden = 64;
    request.dimensions.vocabulary = 1000;
    request.dimensions.layer_count = shape.layers;
    request.dimensions.unit_scratch_floats = 96;
    for (size_t i = 0; i < rates.size(); ++i) {
      DeviceProfile device;
      device.name = absl::StrCat("dev", i);
      device.work_macs_per_second = rates[i];
      request.devices.push_back(device);
    }
  }
  Case(const Case&) = delete;

  uint64_t FloorOfRank(const Plan& plan, uint32_t rank) const {
    Plan small = plan;
    small.chunk_tokens = 1;
    return FloorOf(
        request.devices[rank],
        NeedOf(small, rank, units, request.dimensions, request.options),
        request.options.weights);
  }

  Plan MustPlan() const {
    auto plan = MakePlan(request);
    EXPECT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(ValidatePlan(*plan, units).ok()) << ValidatePlan(*plan, units);
    return *std::move(plan);
  }

  std::string Refusal(absl::StatusCode code) const {
    const auto plan = MakePlan(request);
    EXPECT_EQ(plan.status().code(), code);
    return std::string(plan.status().message());
  }

  std::vector<base::UnitSpec> units;
  PlanRequest request;
};

inline std::vector<size_t> UnitCounts(const Plan& plan) {
  std::vector<size_t> counts;
  for (uint32_t r = 0; r < plan.rank_count(); ++r) {
    counts.push_back(plan.UnitsOf(r).size());
  }
  return counts;
}

// Units of `rank` in layers [begin, end), of one kind or (kHub) of all.
inline double CountOf(const Plan& plan,
                      const std::vector<base::UnitSpec>& units, uint32_t rank,
                      uint32_t begin, uint32_t end, base::UnitKind kind) {
  double count = 0;
  for (const uint32_t unit : plan.UnitsOf(rank)) {
    const base::UnitId& id = units[unit].id;
    if (id.layer >= begin && id.layer < end &&
        (kind == base::UnitKind::kHub || id.kind == kind)) {
      ++count;
    }
  }
  return count;
}

inline std::map<uint32_t, uint32_t> HeadUnitsByRank(const Case& c,
                                                    const Plan& plan) {
  std::map<uint32_t, uint32_t> counts;
  for (const UnitRange& range : plan.ranges) {
    if (c.units[range.begin].id.kind == base::UnitKind::kHead) {
      counts[range.rank] += range.end - range.begin;
    }
  }
  return counts;
}

}  // namespace shoal::parallel

#endif  // SHOAL_TESTS_PARALLEL_PLAN_CASE_H_
