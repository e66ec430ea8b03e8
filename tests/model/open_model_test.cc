#include "model/open_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_writer.h"
#include "model/synth.h"
#include "model/synth_shape.h"
#include "model/synth_vocabulary.h"
#include "nlohmann/json.hpp"
#include "tests/model/allocation_probe.h"
#include "tests/model/temp_folder.h"

namespace shoal::model {
namespace {

using kernels::WeightType;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

TEST(OpenModelTest, OpensSynthesisedModels) {
  const testing::TempFolder folder;
  for (const std::string shape : {"tiny", "tiny-mqa"}) {
    const std::string path = folder.File(shape + ".gguf");
    const absl::Status written =
        Synthesize({.shape = shape, .path = path}, [](uint64_t, uint64_t) {});
    ASSERT_TRUE(written.ok()) << written;
    const auto model = OpenModel(path);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->spec.vocabulary,
              static_cast<uint32_t>(model->tokenizer->vocab_size()));
    const std::string text = "Tenari so, nera 12!";
    const auto ids = model->tokenizer->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_LT(ids->size(), text.size());
    EXPECT_EQ(ids->front(), 1);
    EXPECT_EQ(model->tokenizer->Decode(*ids, SpecialText::kHide), text);
  }
}

TEST(OpenModelTest, TokensAndRowsOfTheEmbeddingAreAsMany) {
  const testing::TempFolder folder;
  const std::string path = folder.File("m.gguf");
  const SynthShape shape = *FindSynthShape("tiny");
  for (const uint32_t token_count : {shape.vocabulary - 1, shape.vocabulary}) {
    GgufMetadata metadata = HyperparametersOf(shape, WeightType::kQ8_0);
    metadata.merge(SynthVocabulary(token_count));
    const absl::Status written = WriteGgufFile(
        path, metadata, TensorsOf(shape, WeightType::kQ8_0),
        [](const GgufTensor&, uint64_t, std::span<std::byte> chunk) {
          std::ranges::fill(chunk, std::byte{0});
          return absl::OkStatus();
        });
    ASSERT_TRUE(written.ok()) << written;
    const absl::Status status = OpenModel(path).status();
    EXPECT_EQ(status.ok(), token_count == shape.vocabulary) << status;
    if (status.ok()) continue;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("tokenizer.ggml.tokens has 511 tokens, but "
                          "token_embd.weight has 512 rows"));
  }
}

// Every file of the corpus has an answer that its manifest allows: `error`,
// `accepted`, or `either`; at no price in memory.
TEST(OpenModelTest, BadFilesGetAnAnswerThatTheirManifestAllows) {
  const char* golden = std::getenv("SHOAL_GOLDEN_DIR");
  if (golden == nullptr)
    GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set: no folder gguf-bad here";
  const fs::path folder = fs::path(golden) / "gguf-bad";
  std::ifstream file(folder / "manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(file);
  std::set<std::string> listed;
  for (const nlohmann::json& entry : manifest["files"]) {
    const std::string name = entry["file"];
    const std::string path = folder / name;
    const std::string expected = entry["expected"];
    SCOPED_TRACE(name + ": " + std::string(entry["what"]));
    listed.insert(name);

    testing::ResetLargestAllocation();
    const absl::Status status = OpenModel(path).status();
    EXPECT_LT(testing::LargestAllocationBytes(), size_t{1} << 20);
    if (expected != "either") {
      EXPECT_EQ(status.ok() ? "accepted" : "error", expected) << status;
    }
    if (status.ok()) continue;
    EXPECT_THAT(status.code(), AnyOf(absl::StatusCode::kInvalidArgument,
                                     absl::StatusCode::kUnimplemented));
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(name));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_GT(message.size(), path.size() + 20) << message;
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    EXPECT_TRUE(listed.contains(entry.path().filename())) << entry.path();
  }
}

}  // namespace
}  // namespace shoal::model
