#include "base/unit.h"

#include <gtest/gtest.h>

namespace shoal::base {
namespace {

TEST(UnitTest, IdsSortInExecutionOrder) {
  const UnitId first = {.layer = 1, .phase = 0, .kind = UnitKind::kAttention};
  UnitId later = first;
  later.index = 1;
  EXPECT_LT(first, later);
  later = first;
  later.kind = UnitKind::kFfn;
  EXPECT_LT(first, later);
  later = {.layer = 1, .phase = 1, .kind = UnitKind::kHub};
  EXPECT_LT(first, later);
  later = {.layer = 2};
  EXPECT_LT(first, later);
}

TEST(UnitTest, NamesSayWhere) {
  EXPECT_EQ(ToString(UnitId{.layer = 3, .kind = UnitKind::kFfn, .index = 7}),
            "layer 3 ffn 7");
  EXPECT_EQ(ToString(Digest{0x1, 0xab}), "000000000000000100000000000000ab");
}

}  // namespace
}  // namespace shoal::base
