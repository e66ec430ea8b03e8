#include "kernels/kernel_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shoal::kernels {
namespace {

TEST(KernelTableTest, AutoIsTheFirstAndScalarIsAlwaysThere) {
  const auto isas = AvailableIsas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.back(), "scalar");
  const auto best = SelectKernels("auto");
  ASSERT_TRUE(best.ok());
  EXPECT_EQ((*best)->isa, isas.front());
  for (const absl::string_view isa : isas) {
    const auto table = SelectKernels(isa);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ((*table)->isa, isa);
  }
}

TEST(KernelTableTest, AnUnknownNameIsAnErrorThatListsWhatThereIs) {
  const auto table = SelectKernels("mmx");
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(table.status().message());
  EXPECT_THAT(message, ::testing::HasSubstr("\"mmx\""));
  EXPECT_THAT(message, ::testing::HasSubstr("auto, "));
  for (const absl::string_view isa : AvailableIsas()) {
    EXPECT_THAT(message, ::testing::HasSubstr(std::string(isa)));
  }
}

TEST(KernelTableTest, TablesNameTheTypesThatTheyHaveNoVectorCodeFor) {
  for (const absl::string_view isa : AvailableIsas()) {
    const auto plain = (*SelectKernels(isa))->plain_types;
    const size_t expected = isa == "scalar" ? SupportedWeightTypes().size() : 0;
    EXPECT_EQ(plain.size(), expected) << isa;
  }
}

}  // namespace
}  // namespace shoal::kernels
