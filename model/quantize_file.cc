#include "model/quantize_file.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "kernels/layout.h"
#include "kernels/quantize.h"
#include "kernels/thread_team.h"
#include "model/gguf_writer.h"
#include "model/unit_source.h"

namespace shoal::model {
namespace {

using kernels::BytesOf;
using kernels::InfoOf;
using kernels::WeightType;

// Elements of one task: a multiple of every block.
constexpr uint64_t kPieceElements = 16384;

// The format's numbers for "most tensors are of this type".
uint64_t FileTypeOf(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return 0;
    case WeightType::kF16:
      return 1;
    case WeightType::kQ4_0:
      return 2;
    case WeightType::kQ4_1:
      return 3;
    case WeightType::kQ8_0:
      return 7;
    case WeightType::kQ5_0:
      return 8;
    case WeightType::kQ5_1:
      return 9;
    case WeightType::kQ2_K:
      return 10;
    case WeightType::kQ3_K:
      return 12;
    case WeightType::kQ4_K:
      return 15;
    case WeightType::kQ5_K:
      return 17;
    case WeightType::kQ6_K:
      return 18;
    case WeightType::kIQ4_NL:
      return 25;
    case WeightType::kIQ4_XS:
      return 30;
    case WeightType::kBF16:
      return 32;
    case WeightType::kMXFP4:
      return 38;
  }
  return 0;
}

class Quantizer {
 public:
  Quantizer(const UnitSource& source, const GgufHeader& header,
            uint32_t threads)
      : source_(source),
        header_(header),
        team_(kernels::ThreadTeam::Create(threads)) {}

  // Fills a part of `tensor`, a tensor of the output.
  absl::Status Fill(const GgufTensor& tensor, uint64_t offset_bytes,
                    std::span<std::byte> chunk) {
    SHOAL_ASSIGN_OR_RETURN(const GgufTensor* from,
                           header_.RequireTensor(tensor.name));
    if (from->type == tensor.type) {
      return source_.ReadAt(from->offset + offset_bytes, chunk);
    }
    const auto& info = InfoOf(tensor.type);
    const uint64_t begin =
        offset_bytes / info.block_bytes * info.block_elements;
    const uint64_t count =
        chunk.size() / info.block_bytes * info.block_elements;
    const uint64_t tasks = (count + kPieceElements - 1) / kPieceElements;
    absl::Status status;
    base::Mutex mutex;
    team_->Run(static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t) {
      const uint64_t first = task * kPieceElements;
      const uint64_t elements = std::min(kPieceElements, count - first);
      absl::Status done = Piece(*from, begin + first, elements, tensor.type,
                                chunk.data() + BytesOf(tensor.type, first));
      base::MutexLock lock(mutex);
      if (status.ok()) status = std::move(done);
    });
    return status;
  }

 private:
  absl::Status Piece(const GgufTensor& from, uint64_t begin, uint64_t count,
                     WeightType type, std::byte* to) const {
    std::vector<std::byte> bytes(BytesOf(from.type, count));
    std::vector<float> values(count);
    SHOAL_RETURN_IF_ERROR(
        source_.ReadAt(from.offset + BytesOf(from.type, begin), bytes));
    kernels::Dequantize(from.type, bytes.data(), count, values.data());
    for (uint64_t i = 0; i < count; ++i) {
      if (std::isfinite(values[i])) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          header_.source(), ": tensor ", from.name, ": element ", begin + i,
          " is ", values[i], "; weights must be finite to be quantised"));
    }
    kernels::Quantize(type, values.data(), count, to);
    return absl::OkStatus();
  }

  const UnitSource& source_;
  const GgufHeader& header_;
  std::unique_ptr<kernels::ThreadTeam> team_;
};

}  // namespace

absl::Status QuantizeFile(
    const QuantizeOptions& options,
    absl::FunctionRef<void(const std::string& note)> note,
    absl::FunctionRef<void(uint64_t done, uint64_t total)> progress) {
  SHOAL_ASSIGN_OR_RETURN(const GgufHeader header,
                         GgufHeader::ReadFile(options.input));
  if (header.external()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.input,
                     ": most of its tensors are external, in weight stores; "
                     "quantise the whole file that they come from"));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::vector<QuantizeChoice> choices,
                         ChooseTypes(header, options.type));
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<UnitSource> source,
                         UnitSource::Open(options.input));
  std::vector<GgufTensor> tensors = header.tensors();
  uint64_t total = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].type = choices[i].type;
    total += BytesOf(tensors[i].type, tensors[i].rows() * tensors[i].cols());
    if (!choices[i].reason.empty()) note(choices[i].reason);
  }
  GgufMetadata metadata = header.metadata();
  metadata["general.file_type"] = FileTypeOf(options.type);
  metadata["general.quantization_version"] = uint64_t{2};
  Quantizer quantizer(*source, header, options.threads);
  uint64_t done = 0;
  return WriteGgufFile(
      options.output, metadata, std::move(tensors),
      [&](const GgufTensor& tensor, uint64_t offset,
          std::span<std::byte> chunk) -> absl::Status {
        SHOAL_RETURN_IF_ERROR(quantizer.Fill(tensor, offset, chunk));
        done += chunk.size();
        progress(done, total);
        return absl::OkStatus();
      });
}

}  // namespace shoal::model
