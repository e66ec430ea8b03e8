#include "tests/testing/model_files.h"

#include <fstream>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/gguf_writer.h"

namespace shoal::testing {
namespace {

using model::GgufHeader;
using model::GgufMetadata;
using model::GgufTensor;

// Writes `tensors` of the model in `from`, whose header is `header`.
absl::Status Write(const std::string& from, const GgufHeader& header,
                   const GgufMetadata& metadata,
                   std::vector<GgufTensor> tensors, const std::string& to) {
  std::ifstream file(from, std::ios::binary);
  return model::WriteGgufFile(
      to, metadata, std::move(tensors),
      [&](const GgufTensor& tensor, uint64_t offset,
          std::span<std::byte> chunk) -> absl::Status {
        file.seekg(static_cast<std::streamoff>(
            header.FindTensor(tensor.name)->offset + offset));
        file.read(reinterpret_cast<char*>(chunk.data()),
                  static_cast<std::streamsize>(chunk.size()));
        return file ? absl::OkStatus()
                    : absl::UnavailableError(absl::StrCat("reading ", from));
      });
}

}  // namespace

absl::Status CopyModelWith(const std::string& from,
                           const GgufMetadata& metadata,
                           const std::string& to) {
  SHOAL_ASSIGN_OR_RETURN(const GgufHeader header, GgufHeader::ReadFile(from));
  GgufMetadata all = header.metadata();
  for (const auto& [key, value] : metadata) all.insert_or_assign(key, value);
  return Write(from, header, all, header.tensors(), to);
}

absl::StatusOr<std::vector<std::string>> SplitModel(const std::string& from,
                                                    const std::string& prefix,
                                                    uint64_t count) {
  SHOAL_ASSIGN_OR_RETURN(const GgufHeader header, GgufHeader::ReadFile(from));
  std::vector<std::string> paths;
  for (uint64_t i = 0; i < count; ++i) {
    GgufMetadata metadata;
    if (i == 0) metadata = header.metadata();
    metadata["split.no"] = i;
    metadata["split.count"] = count;
    metadata["split.tensors.count"] =
        static_cast<uint64_t>(header.tensors().size());
    std::vector<GgufTensor> tensors;
    for (size_t t = i; t < header.tensors().size(); t += count) {
      tensors.push_back(header.tensors()[t]);
    }
    paths.push_back(
        absl::StrFormat("%s-%05d-of-%05d.gguf", prefix, i + 1, count));
    SHOAL_RETURN_IF_ERROR(
        Write(from, header, metadata, std::move(tensors), paths.back()));
  }
  return paths;
}

}  // namespace shoal::testing
