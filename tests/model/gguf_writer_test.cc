#include "model/gguf_writer.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/temp_folder.h"

namespace shoal::model {
namespace {

using kernels::WeightType;
using testing::ReadText;
using testing::TempFolder;

// A byte that depends on its place.
std::byte ByteAt(const GgufTensor& tensor, uint64_t offset) {
  return static_cast<std::byte>(tensor.name.size() + offset * 31 +
                                (offset >> 16));
}

absl::Status FillByPlace(const GgufTensor& tensor, uint64_t offset,
                         std::span<std::byte> chunk) {
  for (size_t i = 0; i < chunk.size(); ++i)
    chunk[i] = ByteAt(tensor, offset + i);
  return absl::OkStatus();
}

std::vector<GgufTensor> SmallTensors() {
  return {{.name = "a", .type = WeightType::kQ8_0, .dims = {32, 3}},
          {.name = "bc", .type = WeightType::kF32, .dims = {5}},
          {.name = "def", .type = WeightType::kF16, .dims = {16, 2}}};
}

size_t FilesIn(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(GgufWriterTest, TheReaderFindsWhatWasWritten) {
  const TempFolder folder;
  const std::string path = folder.File("m.gguf");
  const GgufMetadata metadata = {
      {"general.architecture", std::string("llama")},
      {"general.alignment", uint64_t{64}},
      {"numbers", GgufArray(std::vector<int64_t>{1, -1})}};
  const absl::Status status =
      WriteGgufFile(path, metadata, SmallTensors(), FillByPlace);
  ASSERT_TRUE(status.ok()) << status;
  const auto header = GgufHeader::ReadFile(path);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->version(), 3u);
  EXPECT_EQ(header->metadata(), metadata);
  ASSERT_EQ(header->tensors().size(), 3u);
  const std::string file = ReadText(path);
  for (const GgufTensor& tensor : header->tensors()) {
    EXPECT_EQ(tensor.offset % 64, 0u);
    for (uint64_t i = 0; i < tensor.bytes; ++i) {
      ASSERT_EQ(static_cast<std::byte>(file[tensor.offset + i]),
                ByteAt(tensor, i))
          << tensor.name << " " << i;
    }
  }
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(GgufWriterTest, LargeTensorsComeInBoundedChunksOfWholeBlocks) {
  const TempFolder folder;
  const std::string path = folder.File("m.gguf");
  std::vector<GgufTensor> tensors = {
      {.name = "large", .type = WeightType::kQ4_0, .dims = {4096, 4000}}};
  uint64_t expected_offset = 0;
  size_t chunk_count = 0;
  const absl::Status status =
      WriteGgufFile(path, {}, std::move(tensors),
                    [&](const GgufTensor& tensor, uint64_t offset,
                        std::span<std::byte> chunk) {
                      EXPECT_EQ(offset, expected_offset);
                      EXPECT_LE(chunk.size(), kGgufWriteChunkBytesMax);
                      EXPECT_EQ(chunk.size() % 18, 0u);
                      expected_offset += chunk.size();
                      ++chunk_count;
                      return FillByPlace(tensor, offset, chunk);
                    });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(expected_offset, 4096u * 4000 / 32 * 18);
  EXPECT_EQ(chunk_count, 3u);
  const auto header = GgufHeader::ReadFile(path);
  ASSERT_TRUE(header.ok()) << header.status();
  const GgufTensor& tensor = header->tensors()[0];
  const std::string file = ReadText(path);
  for (const uint64_t i :
       {uint64_t{0}, kGgufWriteChunkBytesMax + 5, tensor.bytes - 1}) {
    EXPECT_EQ(static_cast<std::byte>(file[tensor.offset + i]),
              ByteAt(tensor, i));
  }
}

TEST(GgufWriterTest, AFailedFillLeavesTheOldFileAlone) {
  const TempFolder folder;
  const std::string path = folder.File("m.gguf");
  testing::WriteText(path, "old");
  const absl::Status status = WriteGgufFile(
      path, {}, SmallTensors(),
      [](const GgufTensor& tensor, uint64_t, std::span<std::byte>) {
        return tensor.name == "bc" ? absl::CancelledError("enough")
                                   : absl::OkStatus();
      });
  EXPECT_EQ(status, absl::CancelledError("enough"));
  EXPECT_EQ(ReadText(path), "old");
  EXPECT_EQ(FilesIn(folder.path()), 1u);
  ASSERT_TRUE(WriteGgufFile(path, {}, SmallTensors(), FillByPlace).ok());
  EXPECT_TRUE(GgufHeader::ReadFile(path).ok());
}

TEST(GgufWriterTest, NamesTheFolderThatIsMissing) {
  const TempFolder folder;
  const absl::Status status = WriteGgufFile(folder.File("no/such/m.gguf"), {},
                                            SmallTensors(), FillByPlace);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("no/such/m.gguf"));
}

}  // namespace
}  // namespace shoal::model
