// Whole units from fractional shares.

#ifndef SHOAL_PARALLEL_APPORTION_H_
#define SHOAL_PARALLEL_APPORTION_H_

#include <cstdint>
#include <vector>

namespace shoal::parallel {

// A table of counts or shares, [ranks][columns].
template <typename T>
using Table = std::vector<std::vector<T>>;

// Rounds each entry of `targets` up or down so that every column keeps its sum
// and every row's sum is its own rounded up or down: whatever the columns are,
// no rank's total is a whole unit off. Deterministic.
// REQUIRES: entries >= 0; the sum of each column is whole, up to rounding.
Table<uint32_t> RoundTable(const Table<double>& targets);

// Raises each positive fraction to at least `least`, at the cost of the larger
// ones in proportion, where that is possible; the sum stays 1.
// REQUIRES: fractions >= 0 with the sum 1.
std::vector<double> RaiseSmall(std::vector<double> fractions, double least);

// Cuts `total` whole things in proportion to `weights`, each part at least 1.
// REQUIRES: total >= weights.size() > 0; weights > 0.
std::vector<uint32_t> CutInProportion(uint32_t total,
                                      const std::vector<double>& weights);

// Spreads totals [ranks] over groups of the given sizes, evenly: result
// [groups][ranks]; each group is full, each rank ends with its total.
// REQUIRES: the totals' sum is that of the sizes.
Table<uint32_t> SpreadEvenly(const std::vector<uint32_t>& group_sizes,
                             const std::vector<uint32_t>& totals);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_APPORTION_H_
