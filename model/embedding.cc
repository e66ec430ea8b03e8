#include "model/embedding.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "kernels/layout.h"

namespace shoal::model {
namespace {

GgufTensor TensorOf(const GgufHeader& header, const std::string& name) {
  if (name.empty()) return {};
  const GgufTensor* tensor = header.FindTensor(name);
  SHOAL_CHECK(tensor != nullptr, name);  // LoadModelSpec saw it
  return *tensor;
}

}  // namespace

EmbeddingReader::EmbeddingReader(const ModelSpec& spec,
                                 const GgufHeader& header,
                                 const UnitSource& source)
    : source_(source),
      hidden_(spec.hidden),
      scale_(spec.embedding_scale),
      tokens_(TensorOf(header, spec.embedding)),
      positions_(TensorOf(header, spec.position_embedding)),
      position_row_(spec.position_embedding.empty() ? 0 : spec.hidden) {}

absl::Status EmbeddingReader::ReadRow(const GgufTensor& tensor, uint64_t row,
                                      std::span<float> to) {
  row_.resize(kernels::BytesOf(tensor.type, hidden_));
  SHOAL_RETURN_IF_ERROR(
      source_.ReadAt(tensor.offset + row * row_.size(), row_));
  kernels::Dequantize(tensor.type, row_.data(), hidden_, to.data());
  return absl::OkStatus();
}

absl::Status EmbeddingReader::Read(std::span<const int32_t> ids,
                                   uint32_t first_position,
                                   std::span<float> to) {
  SHOAL_CHECK(to.size() == ids.size() * hidden_, to.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::span<float> row = to.subspan(i * hidden_, hidden_);
    SHOAL_RETURN_IF_ERROR(ReadRow(tokens_, static_cast<uint64_t>(ids[i]), row));
    if (scale_ != 1.0f) {
      for (float& value : row) value *= scale_;
    }
    if (position_row_.empty()) continue;
    const uint64_t position = first_position + i;
    if (position >= positions_.rows()) {
      return absl::InvalidArgumentError(
          absl::StrCat("position ", position, ": the model knows only ",
                       positions_.rows(), " positions; shorten the text"));
    }
    SHOAL_RETURN_IF_ERROR(ReadRow(positions_, position, position_row_));
    for (uint32_t j = 0; j < hidden_; ++j) row[j] += position_row_[j];
  }
  return absl::OkStatus();
}

}  // namespace shoal::model
