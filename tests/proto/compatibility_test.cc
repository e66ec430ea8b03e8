// What must hold between any two versions of the Fleet protocol, so that they
// can refuse each other in words.

#include "gtest/gtest.h"
#include "proto/common.pb.h"
#include "proto/fleet.pb.h"

namespace shoal::proto {
namespace {

TEST(CompatibilityTest, EveryVersionReadsTheFirstMessagesOfTheOthers) {
  EXPECT_EQ(WorkerMessage::kHelloFieldNumber, 1);
  EXPECT_EQ(Hello::kProtocolVersionFieldNumber, 1);
  EXPECT_EQ(CoordinatorMessage::kWelcomeFieldNumber, 1);
  EXPECT_EQ(CoordinatorMessage::kRefusalFieldNumber, 2);
  EXPECT_EQ(Welcome::kProtocolVersionFieldNumber, 1);
  EXPECT_EQ(Refusal::kStatusFieldNumber, 1);
  EXPECT_EQ(Refusal::kProtocolVersionFieldNumber, 2);
  EXPECT_EQ(Status::kCodeFieldNumber, 1);
  EXPECT_EQ(Status::kMessageFieldNumber, 2);
}

TEST(CompatibilityTest, AHelloWithUnknownFieldsIsRead) {
  // Field 15000, a string, which no version has, before the version.
  const std::string bytes = std::string("\xc2\xaa\x07\x01x", 5) + "\x08\x05";
  Hello hello;
  ASSERT_TRUE(hello.ParseFromString(bytes));
  EXPECT_EQ(hello.protocol_version(), 5u);
}

}  // namespace
}  // namespace shoal::proto
