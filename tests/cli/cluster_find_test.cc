#include "cli/cluster_find.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

class ClusterFindTest : public ::testing::Test {
 protected:
  ClusterFindTest() { unsetenv(kClusterVariable); }
  ~ClusterFindTest() override { unsetenv(kClusterVariable); }

  void Make(const std::string& name) { std::ofstream(folder_.File(name)); }

  const testing::TemporaryFolder folder_;
};

TEST_F(ClusterFindTest, TakesTheOnlyFileOfTheFolder) {
  Make("home.textproto");
  Make("notes.txt");
  std::filesystem::create_directory(folder_.File("other.textproto"));
  const auto found = FindCluster(folder_.path());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->path, folder_.File("home.textproto"));
}

TEST_F(ClusterFindTest, NamesThemWhereThereAreSeveral) {
  Make("home.textproto");
  Make("attic.textproto");
  const auto found = FindCluster(folder_.path());
  EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(found.status().message()),
              HasSubstr(folder_.File("attic.textproto") + ", " +
                        folder_.File("home.textproto")));
}

TEST_F(ClusterFindTest, TheVariableWinsOverTheFolder) {
  Make("home.textproto");
  Make("attic.textproto");
  setenv(kClusterVariable, "/etc/fleet.textproto", 1);
  const auto found = FindCluster(folder_.path());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->path, "/etc/fleet.textproto");
}

TEST_F(ClusterFindTest, FindsNothingInAFolderWithout) {
  const auto found = FindCluster(folder_.path());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->path, "");
}

TEST_F(ClusterFindTest, AFlagThatSaysWhereWins) {
  setenv(kClusterVariable, "/etc/fleet.textproto", 1);
  WhereFlags local;
  local.local = 2;
  ASSERT_TRUE(ChooseCluster(local).ok());
  EXPECT_EQ(local.cluster, "");
  WhereFlags listen;
  listen.listen = "127.0.0.1:1";
  ASSERT_TRUE(ChooseCluster(listen).ok());
  EXPECT_EQ(listen.cluster, "");
  WhereFlags named;
  named.cluster = "other";
  ASSERT_TRUE(ChooseCluster(named).ok());
  EXPECT_EQ(named.cluster, "other");
  WhereFlags nothing;
  ASSERT_TRUE(ChooseCluster(nothing).ok());
  EXPECT_EQ(nothing.cluster, "/etc/fleet.textproto");
}

}  // namespace
}  // namespace shoal::cli
