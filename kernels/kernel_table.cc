#include "kernels/kernel_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "kernels/isa.h"
#include "kernels/type_table.h"

namespace shoal::kernels {
namespace {

std::vector<const KernelTable*> AvailableKernels() {
  std::vector<const KernelTable*> tables = VectorKernels();
  tables.push_back(&ScalarKernels());
  return tables;
}

}  // namespace

void CheckProductArguments(LayoutId layout, const WeightMatrix& weights,
                           uint32_t row_begin, uint32_t row_end,
                           const ActivationView& input) {
  const TypeEntry& entry = EntryOf(weights.type);
  SHOAL_CHECK(weights.layout == layout, Name(weights.layout), " weights");
  SHOAL_CHECK(weights.cols % entry.info.block_elements == 0, weights.cols,
              " columns of ", entry.info.name);
  SHOAL_CHECK(input.cols == weights.cols, input.cols, " and ", weights.cols);
  SHOAL_CHECK(row_begin <= row_end && row_end <= weights.rows, row_begin,
              " to ", row_end, " of ", weights.rows);
  SHOAL_CHECK(row_begin % kTileRows == 0 &&
                  (row_end % kTileRows == 0 || row_end == weights.rows),
              row_begin, " to ", row_end, " of ", weights.rows);
  SHOAL_CHECK(input.encoding == Encoding::kF32 || entry.decode != nullptr,
              entry.info.name, " weights take f32 activations only");
}

void CheckAttentionArguments(const AttentionArgs& args) {
  SHOAL_CHECK(args.query_count >= 1 && args.query_count <= kAttentionQueriesMax,
              args.query_count, " queries");
  for (uint32_t q = 0; q < args.query_count; ++q) {
    const AttentionQuery& query = args.queries[q];
    SHOAL_CHECK(query.end > query.begin, "positions ", query.begin, " to ",
                query.end);
  }
}

std::vector<absl::string_view> AvailableIsas() {
  std::vector<absl::string_view> names;
  for (const KernelTable* table : AvailableKernels()) {
    names.push_back(table->isa);
  }
  return names;
}

absl::StatusOr<const KernelTable*> SelectKernels(absl::string_view name) {
  for (const KernelTable* table : AvailableKernels()) {
    if (name == "auto" || name == table->isa) return table;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "instruction set \"", name,
      "\" is unknown or not available on this processor; use auto, ",
      absl::StrJoin(AvailableIsas(), ", ")));
}

}  // namespace shoal::kernels
