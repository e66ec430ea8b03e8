#include "coordinator/token_split.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::coordinator {
namespace {

constexpr double kNotable = 1.05;  // of the mean

struct Group {
  uint32_t rank_count = 0;
  double compute_ms = 0;  // sums
  double disk_ms = 0;
  double most_ms = 0;  // of the slowest
  uint32_t slowest = 0;

  double mean_ms() const { return (compute_ms + disk_ms) / rank_count; }
};

std::vector<Group> GroupsOf(const std::vector<std::optional<TokenMeans>>& means,
                            const std::vector<uint32_t>& group_of_rank) {
  std::vector<Group> groups(
      1 + *std::max_element(group_of_rank.begin(), group_of_rank.end()));
  for (uint32_t rank = 0; rank < means.size(); ++rank) {
    if (!means[rank]) continue;
    Group& group = groups[group_of_rank[rank]];
    ++group.rank_count;
    group.compute_ms += means[rank]->compute_ms;
    group.disk_ms += means[rank]->stall_ms;
    if (means[rank]->work_ms() > group.most_ms) {
      group.most_ms = means[rank]->work_ms();
      group.slowest = rank;
    }
  }
  return groups;
}

}  // namespace

std::optional<TokenSplit> SplitToken(
    const std::vector<std::optional<TokenMeans>>& means,
    const std::vector<uint32_t>& group_of_rank) {
  SHOAL_CHECK(!means.empty() && means.size() == group_of_rank.size());
  if (!means[0]) return std::nullopt;
  TokenSplit split;
  double critical_ms = 0;
  for (const Group& group : GroupsOf(means, group_of_rank)) {
    auto& slowest = split.slowest.emplace_back();
    if (group.rank_count == 0) continue;
    split.fleet.compute_ms += group.compute_ms / group.rank_count;
    split.fleet.disk_ms += group.disk_ms / group.rank_count;
    split.fleet.wait_ms += group.most_ms - group.mean_ms();
    critical_ms += group.most_ms;
    if (group.rank_count > 1 && group.most_ms > kNotable * group.mean_ms()) {
      slowest = group.slowest;
    }
  }
  const double total_ms = means[0]->total_ms();
  if (critical_ms > total_ms && critical_ms > 0) {
    // Groups that overlap, or figures of slightly different seconds.
    const double scale = total_ms / critical_ms;
    split.fleet.compute_ms *= scale;
    split.fleet.disk_ms *= scale;
    split.fleet.wait_ms *= scale;
  } else {
    split.fleet.wire_ms = total_ms - critical_ms;
  }
  for (const auto& mean : means) {
    auto& parts = split.ranks.emplace_back();
    if (!mean) continue;
    const double on_wire =
        std::clamp(split.fleet.wire_ms - mean->exchange_ms, 0.0, mean->wait_ms);
    parts.emplace();
    parts->compute_ms = mean->compute_ms;
    parts->disk_ms = mean->stall_ms;
    parts->wire_ms = mean->exchange_ms + on_wire;
    parts->wait_ms = mean->wait_ms - on_wire;
  }
  return split;
}

}  // namespace shoal::coordinator
