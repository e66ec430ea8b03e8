#include "model/unit_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/status_macros.h"

namespace shoal::model {

using kernels::BytesOf;
using kernels::InfoOf;

UnitPart& UnitBuilder::NewPart(PartRole role, const GgufTensor& tensor) {
  UnitPart& part = unit_.parts.emplace_back();
  part.role = role;
  part.phase = phase_;
  part.slot = slot_;
  part.type = tensor.type;
  return part;
}

void UnitBuilder::Place(UnitPart& part) {
  part.unit_offset = base::AlignUp(end_, kPartAlignment);
  end_ = part.unit_offset + part.bytes();
}

absl::Status UnitBuilder::AddRuns(PartRole role, const std::string& tensor_name,
                                  uint64_t row, uint64_t stride,
                                  uint64_t run_rows, uint64_t runs,
                                  uint64_t col, uint64_t cols) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                         header_.RequireTensor(tensor_name));
  const auto& info = InfoOf(tensor->type);
  if (col % info.block_elements != 0 || cols % info.block_elements != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        header_.source(), ": tensor ", tensor_name, " (", info.name,
        ") cannot be cut at columns ", col, " to ", col + cols,
        ": they are not whole blocks of ", info.block_elements));
  }
  UnitPart& part = NewPart(role, *tensor);
  part.rows = static_cast<uint32_t>(run_rows * runs);
  part.cols = static_cast<uint32_t>(cols);
  part.file_stride = BytesOf(tensor->type, tensor->cols());
  part.file_offset =
      tensor->offset + row * part.file_stride + BytesOf(tensor->type, col);
  const bool adjoining = runs == 1 || stride == run_rows;
  part.run_rows = adjoining ? part.rows : static_cast<uint32_t>(run_rows);
  part.run_stride = stride * part.file_stride;
  Place(part);
  unit_.spec.work_macs += part.rows * cols;
  return absl::OkStatus();
}

absl::Status UnitBuilder::AddVector(PartRole role,
                                    const std::string& tensor_name,
                                    uint64_t begin, uint64_t count) {
  if (tensor_name.empty()) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                         header_.RequireTensor(tensor_name));
  UnitPart& part = NewPart(role, *tensor);
  part.rows = part.run_rows = 1;
  part.cols = static_cast<uint32_t>(count);
  part.file_offset = tensor->offset + BytesOf(tensor->type, begin);
  part.file_stride = part.run_stride = BytesOf(tensor->type, count);
  Place(part);
  return absl::OkStatus();
}

UnitLayout UnitBuilder::Finish(uint32_t begin, uint32_t count) {
  unit_.spec.bytes = base::AlignUp(end_, kPartAlignment);
  unit_.begin = begin;
  unit_.count = count;
  return std::move(unit_);
}

}  // namespace shoal::model
