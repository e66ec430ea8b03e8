#include "kernels/peak.h"

#include "kernels/peak_isa.h"

namespace shoal::kernels {

std::vector<const PeakLoops*> AvailablePeakLoops() {
  std::vector<const PeakLoops*> loops = VectorPeakLoops();
  loops.push_back(&kPeakScalar);
  return loops;
}

const PeakLoops& PeakLoopsFor(absl::string_view isa) {
  const std::vector<const PeakLoops*> available = AvailablePeakLoops();
  for (const PeakLoops* loops : available) {
    if (loops->isa == isa) return *loops;
  }
  return *available.front();
}

}  // namespace shoal::kernels
