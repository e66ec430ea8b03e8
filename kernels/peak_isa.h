// The loops behind PeakLoopsFor(), one set per file. Which of them are built
// and run is decided by one peak_*_isas.cc, chosen by CMake.

#ifndef SHOAL_KERNELS_PEAK_ISA_H_
#define SHOAL_KERNELS_PEAK_ISA_H_

#include <vector>

#include "kernels/peak.h"

namespace shoal::kernels {

// Plain C++, as the compiler makes it for any processor of the architecture.
extern const PeakLoops kPeakScalar;

extern const PeakLoops kPeakAvx2;
extern const PeakLoops kPeakAvxVnni;
extern const PeakLoops kPeakAvx512Vnni;

extern const PeakLoops kPeakNeon;
extern const PeakLoops kPeakNeonDotprod;
extern const PeakLoops kPeakNeonI8mm;

// Without the scalar ones.
std::vector<const PeakLoops*> VectorPeakLoops();

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PEAK_ISA_H_
