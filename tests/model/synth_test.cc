#include "model/synth.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/layout.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/gguf_encode.h"
#include "model/gguf_format.h"
#include "model/synth_shape.h"
#include "model/synth_vocabulary.h"
#include "model/synth_weights.h"
#include "model/unit_table.h"
#include "tests/model/temp_folder.h"

namespace shoal::model {
namespace {

using kernels::WeightType;
using ::testing::HasSubstr;
using testing::ReadText;
using testing::TempFolder;

uint64_t BytesOf(absl::string_view shape, WeightType type) {
  uint64_t bytes = 0;
  for (const GgufTensor& tensor : TensorsOf(*FindSynthShape(shape), type))
    bytes += kernels::BytesOf(tensor.type, tensor.cols() * tensor.rows());
  return bytes;
}

void NoProgress(uint64_t, uint64_t) {}

TEST(SynthShapeTest, SizesAreThoseOfTheRealModels) {
  // Published parameter counts, in thousand millions.
  EXPECT_NEAR(BytesOf("tinyllama-1.1b", WeightType::kF16) / 2e9, 1.10, 0.005);
  EXPECT_NEAR(BytesOf("llama-3.2-1b", WeightType::kF16) / 2e9, 1.24, 0.005);
  EXPECT_NEAR(BytesOf("llama-2-7b", WeightType::kF16) / 2e9, 6.74, 0.005);
  EXPECT_NEAR(BytesOf("llama-3-8b", WeightType::kF16) / 2e9, 8.03, 0.005);
  EXPECT_NEAR(BytesOf("llama-3.2-3b", WeightType::kF16) / 2e9, 3.21, 0.005);
  EXPECT_NEAR(BytesOf("llama-2-13b", WeightType::kF16) / 2e9, 13.02, 0.005);
  EXPECT_NEAR(BytesOf("llama-2-70b", WeightType::kF16) / 2e9, 68.98, 0.005);
  // The routers are F32.
  EXPECT_NEAR(BytesOf("qwen3-30b-a3b", WeightType::kF16) / 2e9, 30.54, 0.015);
  EXPECT_NEAR(BytesOf("tinyllama-1.1b", WeightType::kQ4_0) / 1e6, 620, 10);
  EXPECT_NEAR(BytesOf("llama-2-70b", WeightType::kQ4_0) / 1e9, 38.8, 0.05);
}

TEST(SynthShapeTest, UnknownShapesComeWithTheList) {
  const absl::Status status = FindSynthShape("gpt-9").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("'gpt-9' is unknown; there are tinyllama-1.1b, "));
}

class SynthWeightsTest : public ::testing::TestWithParam<WeightType> {};

TEST_P(SynthWeightsTest, HaveMeanZeroAndTheSpreadAskedFor) {
  constexpr uint64_t kCount = 1 << 20;
  for (const double spread : {1 / std::sqrt(256.0), 1 / std::sqrt(14336.0)}) {
    std::vector<std::byte> bytes(kernels::BytesOf(GetParam(), kCount));
    SynthWeights(GetParam(), spread, 1).Fill(0, bytes);
    std::vector<float> values(kCount);
    kernels::Dequantize(GetParam(), bytes.data(), kCount, values.data());
    double sum = 0;
    double squares = 0;
    for (const float value : values) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    // The mean of 2^20 numbers is off by about spread / 1000.
    EXPECT_NEAR(sum / kCount, 0, 0.01 * spread);
    EXPECT_NEAR(std::sqrt(squares / kCount), spread, 0.05 * spread);
  }
}

TEST_P(SynthWeightsTest, DoNotDependOnHowTheyWereCut) {
  const uint64_t block_bytes = kernels::InfoOf(GetParam()).block_bytes;
  const SynthWeights weights(GetParam(), 0.05, 3);
  std::vector<std::byte> whole(block_bytes * 101);
  weights.Fill(0, whole);
  std::vector<std::byte> pieces(whole.size());
  for (uint64_t block = 0; block < 101;) {
    const uint64_t count = std::min<uint64_t>(101 - block, 1 + block % 7);
    weights.Fill(block, std::span(pieces).subspan(block * block_bytes,
                                                  count * block_bytes));
    block += count;
  }
  EXPECT_EQ(pieces, whole);
  SynthWeights(GetParam(), 0.05, 4).Fill(0, pieces);
  EXPECT_NE(pieces, whole);
}

INSTANTIATE_TEST_SUITE_P(Types, SynthWeightsTest,
                         ::testing::Values(WeightType::kF32, WeightType::kF16,
                                           WeightType::kQ4_0,
                                           WeightType::kQ8_0));

TEST(SynthVocabularyTest, TokensAreUniqueAndPiecesCanBeMerged) {
  for (const uint32_t size : {kSynthVocabularyMin, 512u, 8000u}) {
    const GgufMetadata vocabulary = SynthVocabulary(size);
    const auto& tokens = std::get<std::vector<std::string>>(
        std::get<GgufArray>(vocabulary.at("tokenizer.ggml.tokens")));
    const auto& scores = std::get<std::vector<double>>(
        std::get<GgufArray>(vocabulary.at("tokenizer.ggml.scores")));
    const auto& types = std::get<std::vector<int64_t>>(
        std::get<GgufArray>(vocabulary.at("tokenizer.ggml.token_type")));
    ASSERT_EQ(tokens.size(), size);
    ASSERT_EQ(scores.size(), size);
    ASSERT_EQ(types.size(), size);
    EXPECT_EQ(tokens[3], "<0x00>");
    EXPECT_EQ(tokens[258], "<0xFF>");
    EXPECT_EQ(types[258], 6);

    std::set<std::string> before;
    for (uint32_t i = 0; i < size; ++i) {
      if (i >= kSynthVocabularyMin) {
        bool reachable = false;
        for (size_t cut = 1; cut < tokens[i].size(); ++cut) {
          reachable |= before.contains(tokens[i].substr(0, cut)) &&
                       before.contains(tokens[i].substr(cut));
        }
        ASSERT_TRUE(reachable) << i << " " << tokens[i];
        ASSERT_LT(scores[i], scores[i - 1]);
      }
      ASSERT_TRUE(before.insert(tokens[i]).second) << i << " " << tokens[i];
    }
  }
}

TEST(SynthTest, WritesAFileThatTheReaderTakes) {
  const TempFolder folder;
  for (const WeightType type :
       {WeightType::kF16, WeightType::kQ4_0, WeightType::kQ8_0}) {
    const std::string path = folder.File("m.gguf");
    uint64_t last_done = 0;
    uint64_t last_total = 1;
    const absl::Status status =
        Synthesize({.shape = "tiny-mqa", .type = type, .path = path},
                   [&](uint64_t done, uint64_t total) {
                     EXPECT_GT(done, last_done);
                     last_done = done;
                     last_total = total;
                   });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(last_done, last_total);
    EXPECT_EQ(last_total, BytesOf("tiny-mqa", type));
    const auto header = GgufHeader::ReadFile(path);
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ(*header->RequireUint("llama.attention.head_count_kv"), 1u);
    EXPECT_EQ(header->FindTensor("blk.2.ffn_down.weight")->type, type);
    EXPECT_EQ(header->FindTensor("output.weight"), nullptr);

    const GgufTensor* factors = header->FindTensor("rope_freqs.weight");
    ASSERT_NE(factors, nullptr);
    std::vector<float> values(factors->cols());
    const std::string file = ReadText(path);
    kernels::Dequantize(
        WeightType::kF32,
        reinterpret_cast<const std::byte*>(file.data()) + factors->offset,
        values.size(), values.data());
    EXPECT_EQ(values.front(), 1.0f);
    EXPECT_EQ(values.back(), 8.0f);
  }
}

TEST(SynthTest, EveryShapeIsAModelThatTheLoaderTakes) {
  for (const SynthShape& shape : SynthShapes()) {
    const auto model = SynthModel::Create({.shape = std::string(shape.name)});
    ASSERT_TRUE(model.ok()) << model.status();
    std::vector<GgufTensor> tensors = model->tensors();
    uint64_t end = 0;
    for (GgufTensor& tensor : tensors) {
      tensor.offset = base::AlignUp(end, kGgufAlignmentDefault);
      end = tensor.offset +
            kernels::BytesOf(tensor.type, tensor.cols() * tensor.rows());
    }
    const std::string bytes =
        EncodeGgufHeader({.metadata = &model->metadata(), .tensors = tensors});
    const auto header = GgufHeader::Parse(std::as_bytes(std::span(bytes)),
                                          bytes.size() + end, "synth");
    ASSERT_TRUE(header.ok()) << header.status();
    const auto spec = LoadModelSpec(*header);
    ASSERT_TRUE(spec.ok()) << shape.name << ": " << spec.status();
    EXPECT_EQ(spec->layers.size(), shape.layer_count + 1);  // the head
    const auto table = UnitTable::Create(*spec, *header);
    EXPECT_TRUE(table.ok()) << shape.name << ": " << table.status();
  }
}

TEST(SynthTest, TheSeedAloneDecidesTheBytes) {
  const TempFolder folder;
  const auto make = [&](const std::string& name, uint64_t seed) {
    const absl::Status status = Synthesize(
        {.shape = "tiny", .seed = seed, .path = folder.File(name)}, NoProgress);
    EXPECT_TRUE(status.ok()) << status;
    return ReadText(folder.File(name));
  };
  const std::string first = make("a", 1);
  EXPECT_EQ(make("b", 1), first);
  EXPECT_NE(make("c", 2), first);
}

TEST(SynthTest, RefusesWhatItCannotMake) {
  const TempFolder folder;
  EXPECT_EQ(Synthesize({.shape = "none", .path = folder.File("m")}, NoProgress)
                .code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status status = Synthesize(
      {.shape = "tiny", .type = WeightType::kQ6_K, .path = folder.File("m")},
      NoProgress);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("F16, Q4_0 and Q8_0"));
}

}  // namespace
}  // namespace shoal::model
