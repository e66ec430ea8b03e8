// Holds this repository against the rules of the house.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/layering/rules.h"
#include "tests/layering/source_file.h"

namespace shoal::layering {
namespace {

class HouseTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("SHOAL_SOURCE_DIR");
    ASSERT_NE(root, nullptr) << "set SHOAL_SOURCE_DIR to the repository's root "
                                "(ctest does)";
    root_ = root;
    tree_ = ReadTree(root_);
  }

  std::string root_;
  Tree tree_;
};

TEST_F(HouseTest, TheTreeIsReallyRead) {
  for (const std::string& folder : ProductFolders()) {
    bool found = false;
    for (const SourceFile& file : tree_) found |= file.folder() == folder;
    EXPECT_TRUE(found) << "no file of " << folder << "/ in " << root_;
  }
}

TEST_F(HouseTest, EveryFileKeepsTheRulesOrIsAnExceptionWithAReason) {
  std::ifstream in(root_ + "/tests/layering/exceptions.txt");
  std::ostringstream exceptions;
  exceptions << in.rdbuf();
  for (const Finding& finding :
       ApplyExceptions(CheckAll(tree_), exceptions.str())) {
    ADD_FAILURE() << ToString(finding);
  }
}

}  // namespace
}  // namespace shoal::layering
