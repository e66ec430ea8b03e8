// Which tables an ARM processor gets: the environment variable
// SHOAL_EXPECTED_ISAS names those that the emulated one must have, best first.

#include <cstdlib>
#include <string>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"

namespace shoal::kernels {
namespace {

TEST(ChosenTablesTest, AreThoseThatThisProcessorCanRun) {
  const char* expected = std::getenv("SHOAL_EXPECTED_ISAS");
  if (expected == nullptr) GTEST_SKIP() << "SHOAL_EXPECTED_ISAS is not set";
  EXPECT_EQ(absl::StrJoin(AvailableIsas(), ","), expected);
}

}  // namespace
}  // namespace shoal::kernels
