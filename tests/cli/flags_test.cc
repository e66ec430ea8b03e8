// Values of flags: addresses, tokens, budgets, stages.

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(HostPortTest, TakesNamesNumbersAndBrackets) {
  const auto name = ParseHostPort("kitchen:7070");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->host, "kitchen");
  EXPECT_EQ(name->port, 7070);
  EXPECT_EQ(ParseHostPort("[::1]:65535")->host, "::1");
  EXPECT_EQ(ParseHostPort("0.0.0.0:0")->port, 0);
}

TEST(HostPortTest, RefusesAllElse) {
  for (const char* text : {"", "kitchen", ":7070", "kitchen:", "kitchen:x",
                           "kitchen:65536", "kitchen:-1", "[::1:7070"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

TEST(HostPortTest, LoopbackAndAllAddressesAreToldApart) {
  EXPECT_TRUE(IsLoopback("127.0.0.2"));
  EXPECT_TRUE(IsLoopback("::1"));
  EXPECT_FALSE(IsLoopback("0.0.0.0"));
  EXPECT_TRUE(IsWildcard("0.0.0.0"));
  EXPECT_TRUE(IsWildcard("::"));
  EXPECT_FALSE(IsWildcard("127.0.0.1"));
}

TEST(TokenFileTest, ItsFirstLineIsTheToken) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.File("token")) << "secret\r\nmore\n";
  EXPECT_EQ(*ReadTokenFile(folder.File("token")), "secret");
  std::ofstream(folder.File("empty")) << "\nsecret\n";
  EXPECT_THAT(
      std::string(ReadTokenFile(folder.File("empty")).status().message()),
      HasSubstr("first line is empty"));
  EXPECT_EQ(ReadTokenFile(folder.File("none")).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(BudgetsTest, OneIsForAllAndAListForEach) {
  HowFlags flags;
  flags.memory_bytes = {100};
  EXPECT_THAT(*LocalBudgets(flags, 3), ElementsAre(100, 100, 100));
  flags.memory_bytes = {100, 200, 300};
  EXPECT_THAT(*LocalBudgets(flags, 3), ElementsAre(100, 200, 300));
  EXPECT_THAT(std::string(LocalBudgets(flags, 2).status().message()),
              HasSubstr("lists 3 sizes, but there are 2 devices"));
}

TEST(ParallelTest, TakesEitherOrBothAndRefusesAllElse) {
  uint32_t tp = 9;
  uint32_t pp = 9;
  EXPECT_TRUE(ParseParallel("auto", tp, pp).ok());
  EXPECT_EQ(tp + pp, 0u);
  EXPECT_TRUE(ParseParallel("pp=3,tp=2", tp, pp).ok());
  EXPECT_EQ(tp, 2u);
  EXPECT_EQ(pp, 3u);
  for (const char* text : {"", "tp", "tp=0", "tp=2,tp=2", "tp=2;pp=2", "x=1"}) {
    EXPECT_FALSE(ParseParallel(text, tp, pp).ok()) << text;
  }
}

}  // namespace
}  // namespace shoal::cli
