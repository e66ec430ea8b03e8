#include "model/gguf.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/gguf_builder.h"

namespace shoal::model {
namespace {

using ::testing::AllOf;
using testing::AsBytes;
using testing::Bytes;
using ::testing::ElementsAre;
using testing::FileSpec;
using ::testing::HasSubstr;
using testing::StringValue;
using testing::Uint32Value;
using testing::ValidSpec;

absl::StatusOr<GgufHeader> Parse(const FileSpec& spec) {
  const std::string file = spec.Build();
  return GgufHeader::Parse(AsBytes(file), file.size(), "m.gguf");
}

// The answer to `spec`, which must be a refusal.
absl::Status Refusal(const FileSpec& spec) {
  const absl::Status status = Parse(spec).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("m.gguf: byte "));
  return status;
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

FileSpec WithValue(const std::string& key, const Bytes& value) {
  FileSpec spec = ValidSpec();
  spec.metadata.emplace_back(key, value);
  return spec;
}

TEST(GgufTest, ReadsMetadataAndTensorTable) {
  const absl::StatusOr<GgufHeader> header = Parse(ValidSpec());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->version(), 3u);
  EXPECT_EQ(*header->RequireString("general.architecture"), "llama");
  EXPECT_EQ(*header->RequireUint("llama.block_count"), 2u);
  EXPECT_EQ(*header->RequireFloat("llama.epsilon"), 0.5);
  const auto& tokens = std::get<std::vector<std::string>>(
      std::get<GgufArray>(*header->Find("tokenizer.ggml.tokens")));
  EXPECT_THAT(tokens, ElementsAre("a", "bc"));

  ASSERT_EQ(header->tensors().size(), 2u);
  const GgufTensor* first = *header->RequireTensor("first");
  EXPECT_EQ(first->type, kernels::WeightType::kF32);
  EXPECT_EQ(first->cols(), 16u);
  EXPECT_EQ(first->rows(), 2u);
  EXPECT_EQ(first->bytes, 128u);
  EXPECT_EQ(first->offset, header->data_offset());
  EXPECT_EQ(header->FindTensor("second")->offset, first->offset + 128);
  EXPECT_EQ(header->FindTensor("second")->rows(), 1u);
  EXPECT_EQ(header->FindTensor("third"), nullptr);
}

TEST(GgufTest, ReadsEveryNumberType) {
  FileSpec spec;
  spec.metadata = {
      {"u8", Bytes().U32(0).Number<uint8_t>(200)},
      {"i8", Bytes().U32(1).Number<int8_t>(-100)},
      {"u16", Bytes().U32(2).Number<uint16_t>(60000)},
      {"i16", Bytes().U32(3).Number<int16_t>(-30000)},
      {"u32", Bytes().U32(4).Number<uint32_t>(4000000000)},
      {"i32", Bytes().U32(5).Number<int32_t>(-2000000000)},
      {"f32", Bytes().U32(6).Number<float>(-0.25f)},
      {"bool", Bytes().U32(7).Number<uint8_t>(1)},
      {"u64", Bytes().U32(10).Number<uint64_t>(~uint64_t{0})},
      {"i64", Bytes().U32(11).Number<int64_t>(-5)},
      {"f64", Bytes().U32(12).Number<double>(0.1)},
  };
  const auto header = Parse(spec);
  ASSERT_TRUE(header.ok()) << header.status();
  const GgufMetadata wanted = {
      {"u8", uint64_t{200}},
      {"i8", int64_t{-100}},
      {"u16", uint64_t{60000}},
      {"i16", int64_t{-30000}},
      {"u32", uint64_t{4000000000}},
      {"i32", int64_t{-2000000000}},
      {"f32", -0.25},
      {"bool", true},
      {"u64", ~uint64_t{0}},
      {"i64", int64_t{-5}},
      {"f64", 0.1},
  };
  EXPECT_EQ(header->metadata(), wanted);
}

TEST(GgufTest, LookUpsTellMissingFromWrongType) {
  FileSpec spec = WithValue("i.positive", Bytes().U32(5).Number<int32_t>(7));
  spec.metadata.emplace_back("i.negative", Bytes().U32(5).Number<int32_t>(-7));
  const auto header = Parse(spec);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(*header->FindUint("i.positive"), 7u);
  EXPECT_FALSE(header->FindUint("no.such")->has_value());
  EXPECT_FALSE(header->FindBool("no.such")->has_value());
  EXPECT_FALSE(header->FindString("no.such")->has_value());

  const absl::Status missing = header->RequireUint("no.such").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(missing),
              AllOf(HasSubstr("m.gguf"), HasSubstr("no.such is missing")));
  const absl::Status negative = header->FindUint("i.negative").status();
  EXPECT_THAT(Message(negative), HasSubstr("i.negative is a negative integer"));
  const absl::Status wrong = header->FindFloat("llama.block_count").status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(wrong),
              HasSubstr("block_count is a natural number; wanted: a float"));
  EXPECT_FALSE(header->FindUint("llama.epsilon").ok());
  EXPECT_FALSE(header->FindBool("llama.block_count").ok());
  EXPECT_FALSE(header->RequireString("tokenizer.ggml.tokens").ok());
  EXPECT_THAT(Message(header->RequireTensor("third").status()),
              HasSubstr("tensor 'third' is missing"));
}

TEST(GgufTest, EveryCutIsRefusedWithoutReadingOn) {
  const std::string file = ValidSpec().Build();
  for (size_t size = 0; size < file.size(); ++size) {
    // A copy of its own, so that a sanitizer sees a read past the end.
    const std::string cut(file.data(), size);
    const auto header = GgufHeader::Parse(AsBytes(cut), size, "m.gguf");
    ASSERT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument)
        << size << " bytes: " << header.status();
  }
}

TEST(GgufTest, AsksForMoreBytesWhereTheFileHasThem) {
  const std::string file = ValidSpec().Build();
  const auto whole = GgufHeader::Parse(AsBytes(file), file.size(), "m.gguf");
  ASSERT_TRUE(whole.ok()) << whole.status();
  const uint64_t header_bytes = whole->data_offset() - 32;
  for (size_t size = 0; size < file.size(); ++size) {
    const std::string cut(file.data(), size);
    const auto header = GgufHeader::Parse(AsBytes(cut), file.size(), "m.gguf");
    if (size <= header_bytes) {
      ASSERT_EQ(header.status().code(), absl::StatusCode::kOutOfRange) << size;
    } else if (size >= whole->data_offset()) {
      ASSERT_TRUE(header.ok()) << size << ": " << header.status();
    }
  }
}

TEST(GgufTest, CountsAreCheckedBeforeMemoryIsReserved) {
  FileSpec spec = ValidSpec();
  spec.metadata_count = uint64_t{1} << 62;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("metadata count"));
  spec = ValidSpec();
  spec.tensor_count = 2'000'000'000;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("tensor count 2000000000"));
  spec = WithValue("a", Bytes().U32(9).U32(4).U64(uint64_t{1} << 62));
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("element count"));
  spec = WithValue("a", Bytes().U32(9).U32(8).U64(100'000));
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("element count"));

  // The file is long enough, the bytes at hand are not.
  const std::string file =
      WithValue("a", Bytes().U32(9).U32(0).U64(1 << 24)).Build();
  const auto header =
      GgufHeader::Parse(AsBytes(file), uint64_t{1} << 40, "m.gguf");
  EXPECT_EQ(header.status().code(), absl::StatusCode::kOutOfRange);
}

TEST(GgufTest, LimitsHoldEvenIfTheFileIsLongEnough) {
  const auto refusal = [](const FileSpec& spec) {
    const std::string file = spec.Build();
    return Message(
        GgufHeader::Parse(AsBytes(file), uint64_t{1} << 50, "m.gguf").status());
  };
  FileSpec spec = ValidSpec();
  spec.metadata_count = 65537;
  EXPECT_THAT(refusal(spec), HasSubstr("at most 65536 is allowed"));
  spec = ValidSpec();
  spec.tensor_count = (1 << 20) + 1;
  EXPECT_THAT(refusal(spec), HasSubstr("at most 1048576 is allowed"));
  spec = WithValue("a", Bytes().U32(9).U32(0).U64((1 << 24) + 1));
  EXPECT_THAT(refusal(spec), HasSubstr("at most 16777216 is allowed"));
  spec = WithValue("a", Bytes().U32(8).U64((16 << 20) + 1));
  EXPECT_THAT(refusal(spec), HasSubstr("at most 16777216 is allowed"));
  spec = WithValue(std::string(65536, 'k'), Uint32Value(1));
  EXPECT_THAT(refusal(spec), HasSubstr("at most 65535 is allowed"));
  spec = ValidSpec();
  spec.tensors[0].name = std::string(65, 't');
  EXPECT_THAT(refusal(spec), HasSubstr("at most 64 is allowed"));
}

TEST(GgufTest, NamesWhatIsWrongWithMagicAndVersion) {
  FileSpec spec = ValidSpec();
  spec.magic = "ggjt";
  EXPECT_THAT(Message(Refusal(spec)),
              HasSubstr("not a GGUF file: it begins with 'ggjt'"));
  spec = ValidSpec();
  for (const auto& [version, text] :
       {std::pair<uint32_t, std::string>{0, "version 0"},
        {1, "version 1 (32-bit lengths)"},
        {4, "version 4 is unknown"},
        {3u << 24, "big-endian"}}) {
    spec.version = version;
    const absl::Status status = Refusal(spec);
    EXPECT_THAT(Message(status), HasSubstr(text));
    EXPECT_EQ(status.code(), version == 0 ? absl::StatusCode::kInvalidArgument
                                          : absl::StatusCode::kUnimplemented);
  }
  spec.version = 2;
  EXPECT_TRUE(Parse(spec).ok());
}

TEST(GgufTest, RefusesBadKeysAndValues) {
  EXPECT_THAT(Message(Refusal(WithValue("", Uint32Value(1)))),
              HasSubstr("metadata key 5 of 5: empty"));
  EXPECT_THAT(Message(Refusal(WithValue("a\nb", Uint32Value(1)))),
              HasSubstr("control character in 'a\\nb'"));
  EXPECT_THAT(
      Message(Refusal(WithValue("general.architecture", StringValue("x")))),
      HasSubstr("'general.architecture' is there twice"));
  EXPECT_THAT(Message(Refusal(WithValue("a", Bytes().U32(13).U32(0)))),
              HasSubstr("value of 'a': unknown type 13"));
  EXPECT_THAT(Message(Refusal(WithValue("a", Bytes().U32(7).U8(2)))),
              HasSubstr("bool is 2"));
  EXPECT_THAT(
      Message(Refusal(WithValue("a", Bytes().U32(9).U32(7).U64(1).U8(9)))),
      HasSubstr("bool is 9"));
  EXPECT_THAT(Message(Refusal(WithValue("a", Bytes().U32(9).U32(77).U64(0)))),
              HasSubstr("element type of value of 'a': unknown type 77"));
  EXPECT_THAT(Message(Refusal(WithValue(
                  "a", Bytes().U32(9).U32(9).U64(1).U32(4).U64(1).U32(1)))),
              HasSubstr("an array of arrays"));
  // Offset + length would wrap around.
  EXPECT_THAT(
      Message(Refusal(WithValue("a", Bytes().U32(8).U64(~uint64_t{0} - 15)))),
      HasSubstr("length 18446744073709551600"));
}

TEST(GgufTest, AlignmentIsAPowerOfTwoInRange) {
  for (const uint32_t alignment : {0u, 3u, 4u, 48u, 1u << 21, 1u << 31}) {
    const absl::Status status =
        Refusal(WithValue("general.alignment", Uint32Value(alignment)));
    EXPECT_THAT(Message(status), HasSubstr("general.alignment is "))
        << alignment;
  }
  EXPECT_THAT(
      Message(Refusal(WithValue("general.alignment", StringValue("32")))),
      HasSubstr("general.alignment is a string"));
  FileSpec spec = WithValue("general.alignment", Uint32Value(64));
  spec.alignment = 64;
  ASSERT_TRUE(Parse(spec).ok()) << Parse(spec).status();
  spec.tensors[1].offset = 160;
  spec.data_bytes += 64;
  EXPECT_THAT(Message(Refusal(spec)),
              HasSubstr("160 is not a multiple of the alignment 64"));
}

TEST(GgufTest, RefusesBadShapes) {
  FileSpec spec = ValidSpec();
  auto& tensor = spec.tensors[1];
  for (const auto& [dims, text] :
       {std::pair<std::vector<uint64_t>, std::string>{{}, ": 0; allowed"},
        {{1, 1, 1, 1, 1}, ": 5; allowed are 1 to 4"},
        {{16, 0}, "number 2 is 0"},
        {{uint64_t{1} << 32, uint64_t{1} << 32}, "more than 2^64"},
        {{uint64_t{1} << 62, 4}, "more than 2^64"},
        {{(uint64_t{1} << 63) + 16}, "do not fit into the file"},
        {{16, uint64_t{1} << 40}, "do not fit into the file"}}) {
    tensor.dims = dims;
    const absl::Status status = Refusal(spec);
    EXPECT_THAT(Message(status),
                AllOf(HasSubstr("tensor 'second'"), HasSubstr(text)));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  tensor.dims = {16};
  tensor.type = 8;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("multiple of 32, the block of "
                                                "Q8_0"));
  tensor.dims = {32};
  EXPECT_TRUE(Parse(spec).ok());
}

TEST(GgufTest, UnsupportedTypesComeWithTheListOfSupportedOnes) {
  FileSpec spec = ValidSpec();
  for (const uint32_t id : {26u, 4u, 99u, ~0u}) {
    spec.tensors[0].type = id;
    const absl::Status status = Refusal(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(Message(status),
                AllOf(HasSubstr("'first'"), HasSubstr(std::to_string(id)),
                      HasSubstr("F32, F16, Q4_0, ")));
  }
  spec.tensors[0].type = 26;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("I32"));
}

TEST(GgufTest, TensorsLieApartAndInsideTheFile) {
  FileSpec spec = ValidSpec();
  spec.tensors[1].offset = 96;
  EXPECT_THAT(Message(Refusal(spec)),
              HasSubstr("'second': 96 lies inside of 'first'"));
  // As listed, the second comes first.
  spec.tensors[1].offset = 0;
  spec.tensors[0].offset = 32;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("lies inside of"));
  spec = ValidSpec();
  for (const uint64_t offset :
       {uint64_t{160}, uint64_t{1} << 40, ~uint64_t{0} - 31}) {
    spec.tensors[1].offset = offset;
    EXPECT_THAT(Message(Refusal(spec)), HasSubstr("go beyond the file"));
  }
  spec.tensors[1].offset = 100;
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("multiple of the alignment"));
  spec = ValidSpec();
  spec.tensors[1].name = "first";
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("'first' is there twice"));
  spec.tensors[1].name = "";
  EXPECT_THAT(Message(Refusal(spec)), HasSubstr("name of tensor 2: empty"));
  // A gap and bytes after the last tensor harm nobody.
  spec = ValidSpec();
  spec.tensors[1].offset = 256;
  spec.data_bytes = 1024;
  EXPECT_TRUE(Parse(spec).ok());
}

TEST(GgufTest, RefusesPartsOfASplitModel) {
  EXPECT_TRUE(Parse(WithValue("split.count", Uint32Value(1))).ok());
  FileSpec spec = WithValue("split.count", Uint32Value(3));
  spec.metadata.emplace_back("split.no", Uint32Value(1));
  const absl::Status status = Refusal(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(Message(status), HasSubstr("split.count 3"));
}

TEST(GgufTest, AVocabularyWithoutTensorsIsFine) {
  FileSpec spec = ValidSpec();
  spec.tensors.clear();
  spec.data_bytes = 0;
  const auto header = Parse(spec);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->tensors().empty());
}

}  // namespace
}  // namespace shoal::model
