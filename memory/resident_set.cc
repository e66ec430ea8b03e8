#include "memory/resident_set.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace shoal::memory {

std::vector<bool> ChooseResidents(std::span<const uint64_t> unit_bytes,
                                  uint64_t budget_bytes) {
  const uint64_t total =
      std::accumulate(unit_bytes.begin(), unit_bytes.end(), uint64_t{0});
  if (total <= budget_bytes) return std::vector<bool>(unit_bytes.size(), true);

  // A unit stays if the residents up to and with it are no more than the
  // budget's part of all bytes up to and with it.
  const double part =
      static_cast<double>(budget_bytes) / static_cast<double>(total);
  std::vector<bool> resident(unit_bytes.size(), false);
  uint64_t seen = 0;
  uint64_t kept = 0;
  for (size_t i = 0; i < unit_bytes.size(); ++i) {
    seen += unit_bytes[i];
    const bool fits = kept + unit_bytes[i] <= budget_bytes;
    if (fits && static_cast<double>(kept + unit_bytes[i]) <=
                    part * static_cast<double>(seen)) {
      resident[i] = true;
      kept += unit_bytes[i];
    }
  }

  // What is left is less than about the largest unit: the largest that fit.
  std::vector<uint32_t> by_size;
  for (uint32_t i = 0; i < unit_bytes.size(); ++i) {
    if (!resident[i]) by_size.push_back(i);
  }
  std::stable_sort(by_size.begin(), by_size.end(), [&](uint32_t a, uint32_t b) {
    return unit_bytes[a] > unit_bytes[b];
  });
  for (const uint32_t i : by_size) {
    if (kept + unit_bytes[i] > budget_bytes) continue;
    resident[i] = true;
    kept += unit_bytes[i];
  }
  return resident;
}

std::vector<bool> ChangeResidents(std::span<const uint64_t> unit_bytes,
                                  const std::vector<bool>& resident,
                                  uint64_t budget_bytes) {
  SHOAL_CHECK(resident.size() == unit_bytes.size());
  uint64_t kept = 0;
  for (size_t i = 0; i < unit_bytes.size(); ++i) {
    if (resident[i]) kept += unit_bytes[i];
  }
  const bool shrinks = kept > budget_bytes;
  std::vector<size_t> positions;
  std::vector<uint64_t> candidates;
  for (size_t i = 0; i < unit_bytes.size(); ++i) {
    if (resident[i] != shrinks) continue;
    positions.push_back(i);
    candidates.push_back(unit_bytes[i]);
  }
  const std::vector<bool> chosen =
      ChooseResidents(candidates, shrinks ? budget_bytes : budget_bytes - kept);
  std::vector<bool> changed = resident;
  for (size_t i = 0; i < chosen.size(); ++i) changed[positions[i]] = chosen[i];
  return changed;
}

}  // namespace shoal::memory
