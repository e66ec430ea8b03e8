#include "base/check.h"

#include <gtest/gtest.h>

namespace shoal::base {
namespace {

TEST(CheckTest, StopsWithPlaceConditionAndValues) {
  const int count = 3;
  EXPECT_DEATH(SHOAL_CHECK(count == 4, count, " units"),
               "check_test.cc:[0-9]+: check failed: count == 4: 3 units");
}

TEST(CheckTest, EvaluatesTheMessageOnlyOnFailure) {
  int evaluations = 0;
  SHOAL_CHECK(true, ++evaluations);
  EXPECT_EQ(evaluations, 0);
}

}  // namespace
}  // namespace shoal::base
