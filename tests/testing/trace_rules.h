// What viewers want of a trace, beyond its being JSON.

#ifndef SHOAL_TESTS_TESTING_TRACE_RULES_H_
#define SHOAL_TESTS_TESTING_TRACE_RULES_H_

#include <string>
#include <vector>

namespace shoal::testing {

// The faults that an importer of "Trace Event Format" would find in `trace`,
// the text of a file, a line each: fields that are missing or of another kind;
// slices of a thread that overlap without one holding the other, in the order
// of the file where they begin together; threads that share a number. So does
// Perfetto's (src/trace_processor/importers: json/ and common/slice_tracker.cc)
// drop slices, or give names to the wrong threads.
std::vector<std::string> FaultsOfTrace(const std::string& trace);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_TRACE_RULES_H_
