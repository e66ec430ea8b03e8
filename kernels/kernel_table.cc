#include "kernels/kernel_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/isa.h"

namespace shoal::kernels {
namespace {

std::vector<const KernelTable*> AvailableKernels() {
  std::vector<const KernelTable*> tables = VectorKernels();
  tables.push_back(&ScalarKernels());
  return tables;
}

}  // namespace

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
