#include "model/gguf_external.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf.h"
#include "tests/model/gguf_builder.h"

namespace shoal::model {
namespace {

using testing::AsBytes;
using testing::Bytes;
using testing::FileSpec;
using ::testing::HasSubstr;
using testing::kArrayId;
using testing::kUint64Id;
using testing::StringValue;
using testing::Uint32Value;
using testing::ValidSpec;

Bytes Digests(const std::vector<uint64_t>& halves) {
  Bytes bytes;
  bytes.U32(kArrayId).U32(kUint64Id).U64(halves.size());
  for (const uint64_t half : halves) bytes.U64(half);
  return bytes;
}

// Of the two tensors of 128 and 64 bytes only the first is there.
FileSpec ExternalSpec() {
  FileSpec spec = ValidSpec();
  spec.metadata.emplace_back("shoal.external.version", Uint32Value(1));
  spec.metadata.emplace_back("shoal.external.data_size", Uint32Value(192));
  spec.metadata.emplace_back("shoal.external.inline_size", Uint32Value(128));
  spec.metadata.emplace_back("shoal.external.grid", StringValue("g"));
  spec.metadata.emplace_back("shoal.external.digests", Digests({1, 2, 3, 4}));
  spec.data_bytes = 128;
  return spec;
}

FileSpec With(const std::string& key, Bytes value) {
  FileSpec spec = ExternalSpec();
  for (auto& [name, old] : spec.metadata) {
    if (name == "shoal.external." + key) old = std::move(value);
  }
  return spec;
}

absl::StatusOr<GgufHeader> Parse(const FileSpec& spec) {
  const std::string file = spec.Build();
  return GgufHeader::Parse(AsBytes(file), file.size(), "m.gguf");
}

std::string Refusal(
    const FileSpec& spec,
    absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
  const absl::Status status = Parse(spec).status();
  EXPECT_EQ(status.code(), code) << status;
  return std::string(status.message());
}

TEST(GgufExternalTest, TheHeaderIsThatOfTheWholeFileWithoutTheKeys) {
  const auto header = Parse(ExternalSpec());
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_TRUE(header->external().has_value());
  const GgufExternal& external = *header->external();
  EXPECT_EQ(header->file_size(), header->data_offset() + 192);
  EXPECT_EQ(external.inline_end, header->data_offset() + 128);
  EXPECT_EQ(header->FindTensor("second")->offset, external.inline_end);
  EXPECT_EQ(external.grid, "g");
  ASSERT_EQ(external.digests.size(), 2u);
  EXPECT_EQ(external.digests[1], (base::Digest{3, 4}));
  EXPECT_EQ(header->metadata(), Parse(ValidSpec())->metadata());

  const std::string sent = header->Serialize("");
  const auto again =
      GgufHeader::Parse(AsBytes(sent), header->file_size(), "sent");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->external().has_value());
  EXPECT_EQ(again->FindTensor("second")->offset,
            header->FindTensor("second")->offset);
}

TEST(GgufExternalTest, WhatIsAddedIsTaken) {
  GgufExternal external = {.data_bytes = 192,
                           .inline_bytes = 128,
                           .grid = "g",
                           .digests = {{1, 2}, {~uint64_t{0}, 4}}};
  GgufMetadata metadata = {{"general.name", std::string("m")}};
  const GgufMetadata without = metadata;
  AddExternal(external, metadata);
  const auto taken = TakeExternal(metadata);
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_TRUE(taken->has_value());
  EXPECT_EQ((*taken)->data_bytes, 192u);
  EXPECT_EQ((*taken)->inline_bytes, 128u);
  EXPECT_EQ((*taken)->digests, external.digests);
  EXPECT_EQ(metadata, without);
  const auto nothing = TakeExternal(metadata);
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  EXPECT_FALSE(nothing->has_value());
}

TEST(GgufExternalTest, EveryKeyMustBeThere) {
  for (size_t i = 0; i < 5; ++i) {
    FileSpec spec = ExternalSpec();
    const auto key = spec.metadata.end() - 5 + static_cast<ptrdiff_t>(i);
    const std::string name = key->first;
    spec.metadata.erase(key);
    EXPECT_THAT(Refusal(spec), HasSubstr(name + " is missing"));
  }
}

TEST(GgufExternalTest, TypesAndVersionAreChecked) {
  for (const char* key : {"version", "data_size", "inline_size"}) {
    EXPECT_THAT(Refusal(With(key, StringValue("1"))),
                HasSubstr(std::string("shoal.external.") + key +
                          " is a string; wanted: a natural number"));
  }
  EXPECT_THAT(Refusal(With("grid", Uint32Value(1))),
              HasSubstr("grid is a natural number; wanted: a string"));
  EXPECT_THAT(Refusal(With("version", Uint32Value(2)),
                      absl::StatusCode::kUnimplemented),
              HasSubstr("version is 2; supported is 1"));
}

TEST(GgufExternalTest, DigestsAreWholeAndNotNone) {
  EXPECT_THAT(Refusal(With("digests", Digests({1, 2, 3}))),
              HasSubstr("digests has 3; wanted: two"));
  EXPECT_THAT(Refusal(With("digests", Digests({}))), HasSubstr("has 0"));
  EXPECT_THAT(Refusal(With("digests", Uint32Value(1))),
              HasSubstr("digests is a natural number"));
  EXPECT_THAT(
      Refusal(With(
          "digests",
          Bytes().U32(kArrayId).U32(testing::kStringId).U64(1).String("a"))),
      HasSubstr("digests has something else"));
}

TEST(GgufExternalTest, SizesMustBePossible) {
  EXPECT_THAT(Refusal(With("inline_size", Uint32Value(193))),
              HasSubstr("inline_size is 193, which is more than"));
  EXPECT_THAT(
      Refusal(With("data_size", Bytes().U32(kUint64Id).U64(~uint64_t{0}))),
      HasSubstr("allowed are 0 to 72057594037927936"));
  // As if the data ended within the second tensor.
  EXPECT_THAT(Refusal(With("data_size", Uint32Value(160))),
              HasSubstr("go beyond the file"));
}

TEST(GgufExternalTest, ATensorLiesInTheFileOrOutsideOfIt) {
  EXPECT_THAT(Refusal(With("inline_size", Uint32Value(96))),
              HasSubstr("tensor 'first' has bytes 0 to 128 of the data, of "
                        "which the first 96 are in the file"));
}

TEST(GgufExternalTest, AFileThatWasCutOffIsNoticed) {
  FileSpec spec = ExternalSpec();
  spec.data_bytes = 127;
  EXPECT_THAT(Refusal(spec), HasSubstr("is the file complete?"));
}

}  // namespace
}  // namespace shoal::model
