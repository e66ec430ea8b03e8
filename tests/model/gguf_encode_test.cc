#include "model/gguf_encode.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_cursor.h"
#include "model/gguf_value.h"
#include "tests/model/gguf_builder.h"

namespace shoal::model {
namespace {

using testing::AsBytes;
using testing::Bytes;
using testing::FileSpec;
using testing::Uint32Value;
using testing::ValidSpec;

bool operator==(const GgufTensor& a, const GgufTensor& b) {
  return a.name == b.name && a.type == b.type && a.dims == b.dims &&
         a.offset == b.offset && a.bytes == b.bytes;
}

std::string Encoded(const GgufValue& value, GgufNumbers numbers) {
  std::string bytes;
  AppendGgufValue(value, numbers, bytes);
  return bytes;
}

TEST(GgufEncodeTest, EveryValueComesBackEqual) {
  const std::vector<GgufValue> values = {
      uint64_t{0},
      ~uint64_t{0},
      uint64_t{65536},
      int64_t{-1},
      std::numeric_limits<int64_t>::min(),
      int64_t{-129},
      0.1,
      1e300,
      -std::numeric_limits<double>::infinity(),
      std::numeric_limits<double>::denorm_min(),
      true,
      std::string("text\0more", 9),
      GgufArray(std::vector<uint64_t>{1, 2, 300}),
      GgufArray(std::vector<uint64_t>{}),
      GgufArray(std::vector<int64_t>{-1, 1 << 20}),
      GgufArray(std::vector<int64_t>{}),
      GgufArray(std::vector<double>{0.5, 0.1}),
      GgufArray(std::vector<bool>{true, false, true}),
      GgufArray(std::vector<std::string>{"", "a"}),
  };
  for (const GgufNumbers numbers :
       {GgufNumbers::kSmallest, GgufNumbers::kAtLeast32Bits}) {
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string bytes = Encoded(values[i], numbers);
      GgufCursor cursor(AsBytes(bytes), bytes.size(), "m");
      const auto back = ReadGgufValue(cursor, "k");
      ASSERT_TRUE(back.ok()) << i << ": " << back.status();
      EXPECT_EQ(*back, values[i]) << i;
      EXPECT_EQ(cursor.offset(), bytes.size()) << i;
    }
  }
}

TEST(GgufEncodeTest, NotANumberStaysOne) {
  const std::string bytes =
      Encoded(std::numeric_limits<double>::quiet_NaN(), GgufNumbers::kSmallest);
  EXPECT_EQ(bytes.size(), 4u + 4u);
  GgufCursor cursor(AsBytes(bytes), bytes.size(), "m");
  EXPECT_TRUE(std::isnan(std::get<double>(*ReadGgufValue(cursor, "k"))));
}

TEST(GgufEncodeTest, NumbersTakeTheWidthThatIsAskedFor) {
  const auto size = [](const GgufValue& value, GgufNumbers numbers) {
    return Encoded(value, numbers).size() - sizeof(uint32_t);
  };
  EXPECT_EQ(size(uint64_t{255}, GgufNumbers::kSmallest), 1u);
  EXPECT_EQ(size(uint64_t{256}, GgufNumbers::kSmallest), 2u);
  EXPECT_EQ(size(int64_t{-128}, GgufNumbers::kSmallest), 1u);
  EXPECT_EQ(size(int64_t{-129}, GgufNumbers::kSmallest), 2u);
  EXPECT_EQ(size(uint64_t{1}, GgufNumbers::kAtLeast32Bits), 4u);
  EXPECT_EQ(size(int64_t{1}, GgufNumbers::kAtLeast32Bits), 4u);
  EXPECT_EQ(size(uint64_t{1} << 32, GgufNumbers::kAtLeast32Bits), 8u);
  EXPECT_EQ(size(0.5, GgufNumbers::kSmallest), 4u);
  EXPECT_EQ(size(0.1, GgufNumbers::kSmallest), 8u);
}

absl::StatusOr<GgufHeader> ParseBytes(const std::string& bytes,
                                      uint64_t file_size) {
  return GgufHeader::Parse(AsBytes(bytes), file_size, "m");
}

TEST(GgufSerializeTest, KeepsAllButThePrefix) {
  const std::string file = ValidSpec().Build();
  const auto header = ParseBytes(file, file.size());
  ASSERT_TRUE(header.ok()) << header.status();
  const std::string bytes = header->Serialize("tokenizer.");
  EXPECT_LT(bytes.size(), header->data_offset());
  const auto back = ParseBytes(bytes, file.size());
  ASSERT_TRUE(back.ok()) << back.status();

  GgufMetadata wanted = header->metadata();
  ASSERT_EQ(wanted.erase("tokenizer.ggml.tokens"), 1u);
  EXPECT_EQ(back->metadata(), wanted);
  ASSERT_EQ(back->tensors().size(), header->tensors().size());
  for (size_t i = 0; i < header->tensors().size(); ++i)
    EXPECT_TRUE(back->tensors()[i] == header->tensors()[i]) << i;
  EXPECT_EQ(back->version(), header->version());
}

TEST(GgufSerializeTest, WithoutPrefixKeepsEverythingAndNeverGrows) {
  FileSpec spec = ValidSpec();
  spec.version = 2;
  spec.metadata.emplace_back("u8s", Bytes().U32(9).U32(0).U64(3).Raw("abc"));
  spec.metadata.emplace_back("none", Bytes().U32(9).U32(6).U64(0));
  const std::string file = spec.Build();
  const auto header = ParseBytes(file, file.size());
  ASSERT_TRUE(header.ok()) << header.status();
  const std::string bytes = header->Serialize("");
  EXPECT_LE(bytes.size(), header->data_offset());
  const auto back = ParseBytes(bytes, file.size());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->metadata(), header->metadata());
  EXPECT_EQ(back->version(), 2u);
  EXPECT_EQ(back->Serialize(""), bytes);
}

TEST(GgufSerializeTest, AlignmentStaysWhateverThePrefix) {
  FileSpec spec = ValidSpec();
  spec.metadata.emplace_back("general.alignment", Uint32Value(8));
  spec.alignment = 8;
  spec.tensors[1].offset = 136;
  spec.data_bytes += 8;
  const std::string file = spec.Build();
  const auto header = ParseBytes(file, file.size());
  ASSERT_TRUE(header.ok()) << header.status();
  const auto back = ParseBytes(header->Serialize("general."), file.size());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->FindTensor("second")->offset,
            header->FindTensor("second")->offset);
  EXPECT_EQ(back->Find("general.architecture"), nullptr);
}

TEST(GgufSerializeTest, AVocabularyWithoutTensorsComesBack) {
  FileSpec spec = ValidSpec();
  spec.tensors.clear();
  spec.data_bytes = 0;
  const std::string file = spec.Build();
  const auto header = ParseBytes(file, file.size());
  ASSERT_TRUE(header.ok()) << header.status();
  const auto back = ParseBytes(header->Serialize(""), file.size());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->metadata(), header->metadata());
}

}  // namespace
}  // namespace shoal::model
