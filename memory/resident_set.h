// Which units of a share stay in memory.

#ifndef SHOAL_MEMORY_RESIDENT_SET_H_
#define SHOAL_MEMORY_RESIDENT_SET_H_

#include <cstdint>
#include <span>
#include <vector>

namespace shoal::memory {

// Chooses units of at most `budget_bytes` together, spread evenly over the
// sequence, so that no stretch of it is all disk: the residents of any stretch
// are the budget's part of its bytes, give or take two of the largest units.
// No unit that is left out would still fit. `unit_bytes` is the share in
// execution order, padding included; the result has its length.
std::vector<bool> ChooseResidents(std::span<const uint64_t> unit_bytes,
                                  uint64_t budget_bytes);

// What to keep when the budget changes, `resident` being what is there: at most
// `budget_bytes`, with as little moved as can be. Units only go, or only come;
// either is spread evenly.
std::vector<bool> ChangeResidents(std::span<const uint64_t> unit_bytes,
                                  const std::vector<bool>& resident,
                                  uint64_t budget_bytes);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_RESIDENT_SET_H_
