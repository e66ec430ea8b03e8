#include "parallel/apportion.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/check.h"

namespace shoal::parallel {
namespace {

// Shares are products of a few doubles; what differs from a whole number by
// less is one.
constexpr double kTolerance = 1e-7;

double Floor(double value) { return std::floor(value + kTolerance); }

double Ceil(double value) { return std::ceil(value - kTolerance); }

// Which entries are rounded up: a flow from rows to columns by augmenting
// paths, each entry with a fraction carrying at most one.
class RoundUps {
 public:
  explicit RoundUps(const Table<double>& targets)
      : targets_(targets),
        column_count_(targets[0].size()),
        up_(targets.size(), std::vector<bool>(column_count_, false)),
        free_(column_count_, 0) {
    for (size_t c = 0; c < column_count_; ++c) {
      double sum = 0;
      double floors = 0;
      for (const auto& row : targets) {
        sum += row[c];
        floors += Floor(row[c]);
      }
      free_[c] = static_cast<int64_t>(std::llround(sum - floors));
    }
  }

  // Rounds one more entry of `row` up; entries of other rows may move to
  // another column, but keep their number. False if there is no way.
  bool Add(size_t row) {
    visited_.assign(column_count_, false);
    return Augment(row);
  }

  bool up(size_t row, size_t column) const { return up_[row][column]; }

 private:
  bool CanRoundUp(size_t row, size_t column) const {
    const double target = targets_[row][column];
    return !up_[row][column] && target - Floor(target) > kTolerance;
  }

  bool Augment(size_t row) {
    for (size_t c = 0; c < column_count_; ++c) {
      if (!CanRoundUp(row, c) || visited_[c]) continue;
      visited_[c] = true;
      if (free_[c] > 0) {
        --free_[c];
        up_[row][c] = true;
        return true;
      }
      for (size_t other = 0; other < up_.size(); ++other) {
        if (up_[other][c] && Augment(other)) {
          up_[other][c] = false;
          up_[row][c] = true;
          return true;
        }
      }
    }
    return false;
  }

  const Table<double>& targets_;
  const size_t column_count_;
  Table<bool> up_;
  std::vector<int64_t> free_;  // round-ups that a column still lacks
  std::vector<bool> visited_;
};

}  // namespace

Table<uint32_t> RoundTable(const Table<double>& targets) {
  SHOAL_CHECK(!targets.empty() && !targets[0].empty());
  RoundUps ups(targets);
  std::vector<double> remainders;  // of each row's sum
  for (size_t r = 0; r < targets.size(); ++r) {
    double sum = 0;
    double floors = 0;
    for (const double target : targets[r]) {
      sum += target;
      floors += Floor(target);
    }
    // What the row's sum has for certain comes first ...
    for (double i = floors; i < Floor(sum); ++i) {
      SHOAL_CHECK(ups.Add(r), "row ", r, " cannot be rounded");
    }
    remainders.push_back(Ceil(sum) > Floor(sum) ? sum - Floor(sum) : 0);
  }
  // ... then those that are closest to the next whole number.
  std::vector<size_t> order(targets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return remainders[a] > remainders[b] + kTolerance;
  });
  for (const size_t row : order) {
    if (remainders[row] > 0) ups.Add(row);
  }
  Table<uint32_t> counts(targets.size());
  for (size_t r = 0; r < targets.size(); ++r) {
    for (size_t c = 0; c < targets[r].size(); ++c) {
      counts[r].push_back(static_cast<uint32_t>(Floor(targets[r][c])) +
                          (ups.up(r, c) ? 1 : 0));
    }
  }
  return counts;
}

std::vector<double> RaiseSmall(std::vector<double> fractions, double least) {
  const auto positive = std::count_if(fractions.begin(), fractions.end(),
                                      [](double f) { return f > 0; });
  if (static_cast<double>(positive) * least > 1 + kTolerance) return fractions;
  std::vector<bool> raised(fractions.size(), false);
  // Scaling the large ones down may push another below the least; each round
  // raises at least one.
  for (size_t round = 0; round < fractions.size(); ++round) {
    bool changed = false;
    double fixed = 0;
    double rest = 0;
    for (size_t i = 0; i < fractions.size(); ++i) {
      if (fractions[i] > 0 && fractions[i] < least) {
        fractions[i] = least;
        raised[i] = changed = true;
      }
      (raised[i] ? fixed : rest) += fractions[i];
    }
    if (!changed || rest <= 0) break;
    for (size_t i = 0; i < fractions.size(); ++i) {
      if (!raised[i]) fractions[i] *= (1 - fixed) / rest;
    }
  }
  return fractions;
}

std::vector<uint32_t> CutInProportion(uint32_t total,
                                      const std::vector<double>& weights) {
  SHOAL_CHECK(!weights.empty() && weights.size() <= total);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> fractions;
  for (const double weight : weights) fractions.push_back(weight / sum);
  fractions = RaiseSmall(std::move(fractions), 1.0 / total);
  Table<double> targets;
  for (const double fraction : fractions) targets.push_back({fraction * total});
  std::vector<uint32_t> parts;
  for (const auto& row : RoundTable(targets)) parts.push_back(row[0]);
  return parts;
}

Table<uint32_t> SpreadEvenly(const std::vector<uint32_t>& group_sizes,
                             const std::vector<uint32_t>& totals) {
  const double size_sum =
      std::accumulate(group_sizes.begin(), group_sizes.end(), 0.0);
  Table<uint32_t> counts;
  std::vector<uint32_t> given(totals.size(), 0);
  double passed = 0;  // units of the groups so far, this one included
  for (const uint32_t size : group_sizes) {
    passed += size;
    std::vector<uint32_t> group(totals.size(), 0);
    for (uint32_t i = 0; i < size; ++i) {
      // To the rank that is furthest behind its even pace.
      size_t best = totals.size();
      double best_lag = 0;
      for (size_t r = 0; r < totals.size(); ++r) {
        if (given[r] >= totals[r]) continue;
        const double lag = totals[r] * (passed / size_sum) - given[r];
        if (best == totals.size() || lag > best_lag + kTolerance) {
          best = r;
          best_lag = lag;
        }
      }
      SHOAL_CHECK(best < totals.size(), "totals are less than the groups");
      ++given[best];
      ++group[best];
    }
    counts.push_back(std::move(group));
  }
  return counts;
}

}  // namespace shoal::parallel
