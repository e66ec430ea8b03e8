#include "model/gguf_parts.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/architecture.h"
#include "model/unit_source.h"
#include "model/unit_table.h"
#include "tests/testing/model_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::model {
namespace {

using shoal::testing::SplitModel;
using ::testing::HasSubstr;

class GgufPartsTest : public ::testing::Test {
 protected:
  // As PREFIX-00001-of-00003.gguf and so on.
  std::vector<std::string> Split(const std::string& prefix, uint64_t count) {
    auto paths = SplitModel(whole_, folder_.File(prefix), count);
    EXPECT_TRUE(paths.ok()) << paths.status();
    return *std::move(paths);
  }

  static std::vector<std::vector<std::byte>> UnitsOf(const std::string& path) {
    const GgufHeader header = GgufHeader::ReadFile(path).value();
    const ModelSpec spec = LoadModelSpec(header).value();
    const UnitTable table = UnitTable::Create(spec, header).value();
    const auto source = UnitSource::Open(path).value();
    std::vector<std::vector<std::byte>> units;
    for (const UnitLayout& unit : table.units()) {
      units.emplace_back(unit.spec.bytes);
      EXPECT_TRUE(source->Read(unit, units.back()).ok());
    }
    return units;
  }

  static std::string ErrorOf(const std::string& path) {
    const auto header = GgufHeader::ReadFile(path);
    EXPECT_FALSE(header.ok()) << path;
    return header.ok() ? "" : std::string(header.status().message());
  }

  const shoal::testing::TemporaryFolder folder_;
  const std::string whole_ = absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                                          "/models/shoal-stories-3m-q8_0.gguf");
};

TEST_F(GgufPartsTest, AModelInPartsHasTheUnitsOfTheWhole) {
  const auto wanted = UnitsOf(whole_);
  for (const uint64_t count : {2, 3, 7}) {
    for (const std::string& path : Split(absl::StrCat("m", count), count)) {
      EXPECT_TRUE(UnitsOf(path) == wanted) << path;
    }
  }
}

TEST_F(GgufPartsTest, TheMergedHeaderIsWhatAWorkerCanBeTold) {
  const auto paths = Split("m", 3);
  const GgufHeader header = GgufHeader::ReadFile(paths[0]).value();
  EXPECT_EQ(header.Find("split.count"), nullptr);
  const std::string bytes = header.Serialize("tokenizer.");
  const auto back = GgufHeader::Parse(std::as_bytes(std::span(bytes)),
                                      header.file_size(), "sent");
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->tensors().size(), header.tensors().size());
  for (const GgufTensor& tensor : header.tensors()) {
    EXPECT_EQ(back->FindTensor(tensor.name)->offset, tensor.offset);
  }
}

TEST_F(GgufPartsTest, AMissingPartIsNamed) {
  const auto paths = Split("m", 3);
  std::filesystem::remove(paths[1]);
  const absl::Status status = GgufHeader::ReadFile(paths[2]).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(paths[1]));
  EXPECT_TRUE(absl::IsNotFound(UnitSource::Open(paths[0]).status()));
}

TEST_F(GgufPartsTest, PartsThatDoNotBelongTogetherAreRefused) {
  const auto paths = Split("m", 3);
  const auto others = Split("n", 2);
  std::filesystem::copy(paths[2], folder_.File("n-00002-of-00002.gguf"),
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(ErrorOf(others[0]),
              HasSubstr("split.no is 2, by the name it is"));
  std::filesystem::copy(paths[1], paths[2],
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(ErrorOf(paths[0]), HasSubstr("split.no is 1, by the name it is"));
  EXPECT_TRUE(shoal::testing::CopyModelWith(
                  whole_,
                  {{"split.no", uint64_t{1}}, {"split.count", uint64_t{2}}},
                  others[1])
                  .ok());
  EXPECT_THAT(ErrorOf(others[0]), HasSubstr("split.tensors.count is"));
}

TEST_F(GgufPartsTest, PartsOfDifferentArchitecturesOrAlignmentsAreRefused) {
  const auto with = [&](const std::string& key, GgufValue value) {
    const auto paths = Split("m", 2);
    GgufMetadata metadata = {{"split.no", uint64_t{1}},
                             {"split.count", uint64_t{2}}};
    metadata[key] = std::move(value);
    EXPECT_TRUE(shoal::testing::CopyModelWith(whole_, metadata, paths[1]).ok());
    return ErrorOf(paths[0]);
  };
  EXPECT_THAT(with("general.architecture", std::string("gpt2")),
              HasSubstr("general.architecture is gpt2"));
  EXPECT_THAT(with("general.alignment", uint64_t{64}),
              HasSubstr("general.alignment is 64"));
}

TEST_F(GgufPartsTest, AWholeModelMayNotBearThePartsName) {
  const std::string path = folder_.File("m-00001-of-00001.gguf");
  std::filesystem::copy(whole_, path);
  EXPECT_TRUE(UnitsOf(path) == UnitsOf(whole_));  // one part is a whole model
  const auto paths = Split("m", 2);
  std::filesystem::rename(paths[0], folder_.File("renamed.gguf"));
  EXPECT_THAT(ErrorOf(folder_.File("renamed.gguf")),
              HasSubstr("NAME-00001-of-0000N.gguf"));
  std::filesystem::copy(whole_, paths[0]);
  EXPECT_THAT(ErrorOf(paths[0]), HasSubstr("split.no is missing"));
  EXPECT_THAT(ErrorOf(folder_.File("m-00003-of-00002.gguf")),
              HasSubstr("part 3 of 2"));
}

}  // namespace
}  // namespace shoal::model
