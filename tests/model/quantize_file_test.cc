#include "model/quantize_file.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/layout.h"
#include "model/architecture.h"
#include "model/gguf_writer.h"
#include "model/open_model.h"
#include "model/unit_source.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::model {
namespace {

using kernels::WeightType;

std::string DraftModel() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source,
                      "/models/shoal-stories-draft-f16.gguf");
}

class QuantizeFileTest : public ::testing::Test {
 protected:
  absl::Status Quantize(const std::string& input, WeightType type,
                        uint32_t threads = 2) {
    QuantizeOptions options;
    options.input = input;
    options.output = output_;
    options.type = type;
    options.threads = threads;
    notes_.clear();
    return QuantizeFile(
        options, [&](const std::string& note) { notes_.push_back(note); },
        [](uint64_t done, uint64_t total) { EXPECT_LE(done, total); });
  }

  std::vector<float> Values(const std::string& path, const GgufTensor& tensor) {
    const auto source = UnitSource::Open(path);
    std::vector<std::byte> bytes(tensor.bytes);
    EXPECT_TRUE((*source)->ReadAt(tensor.offset, bytes).ok());
    std::vector<float> values(tensor.rows() * tensor.cols());
    kernels::Dequantize(tensor.type, bytes.data(), values.size(),
                        values.data());
    return values;
  }

  std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  shoal::testing::TemporaryFolder folder_;
  const std::string output_ = folder_.path() + "/out.gguf";
  std::vector<std::string> notes_;
};

// Relative error of each matrix by the bits of its type: half a step of the
// range of a block, with room for scales that are shared.
double BoundOf(WeightType type) {
  switch (type) {
    case WeightType::kQ2_K:
      return 0.35;
    case WeightType::kQ3_K:
      return 0.2;
    case WeightType::kMXFP4:
      return 0.14;
    case WeightType::kQ5_0:
    case WeightType::kQ5_1:
    case WeightType::kQ5_K:
      return 0.055;
    case WeightType::kQ6_K:
      return 0.028;
    case WeightType::kQ8_0:
      return 0.008;
    case WeightType::kBF16:
      return 0.004;
    case WeightType::kF16:
      return 0;
    default:
      return 0.11;
  }
}

TEST_F(QuantizeFileTest, EveryTypeGivesAModelThatOpensAndIsClose) {
  const std::string input = DraftModel();
  const auto before = GgufHeader::ReadFile(input);
  ASSERT_TRUE(before.ok()) << before.status();
  for (const WeightType type : kernels::SupportedWeightTypes()) {
    if (type == WeightType::kF32) continue;
    const std::string name(kernels::InfoOf(type).name);
    const absl::Status done = Quantize(input, type);
    ASSERT_TRUE(done.ok()) << name << ": " << done;
    const auto model = OpenModel(output_);
    ASSERT_TRUE(model.ok()) << name << ": " << model.status();
    const auto after = GgufHeader::ReadFile(output_);
    ASSERT_EQ(after->tensors().size(), before->tensors().size());
    size_t of_the_type = 0;
    for (const GgufTensor& tensor : after->tensors()) {
      const GgufTensor* from = before->FindTensor(tensor.name);
      ASSERT_NE(from, nullptr) << tensor.name;
      of_the_type += tensor.type == type;
      const auto wanted = Values(input, *from);
      const auto got = Values(output_, tensor);
      if (tensor.dims.size() == 1) {
        EXPECT_EQ(got, wanted) << name << " " << tensor.name;
        continue;
      }
      double error = 0, size = 0;
      for (size_t i = 0; i < wanted.size(); ++i) {
        error += std::pow(double{got[i]} - wanted[i], 2);
        size += std::pow(double{wanted[i]}, 2);
      }
      EXPECT_LE(std::sqrt(error / size), BoundOf(tensor.type))
          << name << " " << tensor.name << " "
          << kernels::InfoOf(tensor.type).name;
    }
    // The draft model's rows may be no whole blocks of 256.
    EXPECT_TRUE(of_the_type > 0 || !notes_.empty()) << name;
  }
}

TEST_F(QuantizeFileTest, MetadataIsKeptAndTheFileTypeIsSet) {
  const auto before = GgufHeader::ReadFile(DraftModel());
  ASSERT_TRUE(Quantize(DraftModel(), WeightType::kQ4_0).ok());
  const auto after = GgufHeader::ReadFile(output_);
  GgufMetadata wanted = before->metadata();
  wanted["general.file_type"] = uint64_t{2};
  wanted["general.quantization_version"] = uint64_t{2};
  EXPECT_EQ(after->metadata(), wanted);
}

TEST_F(QuantizeFileTest, ThreadsDoNotShowInTheBytes) {
  ASSERT_TRUE(Quantize(DraftModel(), WeightType::kQ4_0, 1).ok());
  const std::string one = Bytes(output_);
  ASSERT_TRUE(Quantize(DraftModel(), WeightType::kQ4_0, 3).ok());
  EXPECT_TRUE(Bytes(output_) == one);
}

TEST_F(QuantizeFileTest, WhatIsQuantisedAlreadyIsRefusedByName) {
  ASSERT_TRUE(Quantize(DraftModel(), WeightType::kQ8_0).ok());
  const std::string input = folder_.path() + "/q8.gguf";
  ASSERT_EQ(std::rename(output_.c_str(), input.c_str()), 0);
  const absl::Status again = Quantize(input, WeightType::kQ4_0);
  EXPECT_TRUE(absl::IsInvalidArgument(again)) << again;
  EXPECT_TRUE(absl::StrContains(again.message(), "is Q8_0 already")) << again;
  EXPECT_FALSE(std::ifstream(output_).good());
}

// A file of two layers with rows of 512, 96 and 20 elements.
class QuantizeChoiceTest : public QuantizeFileTest {
 protected:
  void SetUp() override {
    const auto tensor = [](const std::string& name,
                           std::vector<uint64_t> dims) {
      GgufTensor result;
      result.name = name;
      result.dims = std::move(dims);
      return result;
    };
    const std::vector<GgufTensor> tensors = {
        tensor("token_embd.weight", {512, 8}),
        tensor("blk.0.attn_v.weight", {512, 8}),
        tensor("blk.0.ffn_down.weight", {96, 8}),
        tensor("blk.0.ffn_gate_inp.weight", {512, 4}),
        tensor("blk.0.ffn_up.weight", {20, 8}),
        tensor("blk.1.attn_q.weight", {512, 8}),
        tensor("blk.1.attn_norm.weight", {512})};
    ASSERT_TRUE(WriteGgufFile(input_, {}, tensors,
                              [this](const GgufTensor& of, uint64_t,
                                     std::span<std::byte> chunk) {
                                float value = 0.5f;
                                if (of.name == bad_) value = NAN;
                                for (size_t i = 0; i < chunk.size(); i += 4) {
                                  std::memcpy(&chunk[i], &value, 4);
                                }
                                return absl::OkStatus();
                              })
                    .ok());
  }

  const std::string input_ = folder_.path() + "/in.gguf";
  std::string bad_;
};

TEST_F(QuantizeChoiceTest, MixesFallsBackAndSaysSo) {
  ASSERT_TRUE(Quantize(input_, WeightType::kQ4_K).ok());
  const auto header = GgufHeader::ReadFile(output_);
  std::map<std::string, WeightType> types;
  for (const GgufTensor& tensor : header->tensors()) {
    types[tensor.name] = tensor.type;
  }
  EXPECT_EQ(types["token_embd.weight"], WeightType::kQ6_K);  // tied
  EXPECT_EQ(types["blk.0.attn_v.weight"], WeightType::kQ4_K);
  EXPECT_EQ(types["blk.0.ffn_down.weight"], WeightType::kQ5_0);
  EXPECT_EQ(types["blk.0.ffn_gate_inp.weight"], WeightType::kF32);
  EXPECT_EQ(types["blk.0.ffn_up.weight"], WeightType::kF16);
  EXPECT_EQ(types["blk.1.attn_q.weight"], WeightType::kQ4_K);
  EXPECT_EQ(types["blk.1.attn_norm.weight"], WeightType::kF32);
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_EQ(notes_[0],
            "blk.0.ffn_down.weight: Q5_0 instead of Q4_K, as its rows of 96 "
            "are not whole blocks of 256");
}

TEST_F(QuantizeChoiceTest, AWeightThatIsNoNumberIsAnErrorThatNamesIt) {
  bad_ = "blk.1.attn_q.weight";
  SetUp();
  const absl::Status status = Quantize(input_, WeightType::kQ4_0);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), bad_)) << status;
  EXPECT_FALSE(std::ifstream(output_).good());
}

}  // namespace
}  // namespace shoal::model
