// Follows a fleet: keeps what its devices did lately, and notes what an
// operator should know.

#ifndef SHOAL_COORDINATOR_FLEET_OBSERVER_H_
#define SHOAL_COORDINATOR_FLEET_OBSERVER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/event_log.h"
#include "coordinator/fleet_facts.h"
#include "coordinator/plan_grid.h"
#include "coordinator/report_history.h"
#include "coordinator/token_split.h"

namespace shoal::coordinator {

// Threads: thread-compatible.
class FleetObserver {
 public:
  // How long a device that left is still shown.
  static constexpr absl::Duration kLostShown = absl::Minutes(1);
  // A rank is a straggler if so often in a row it takes kStragglerFactor times
  // what the others of its stage take.
  static constexpr int kStragglerCount = 3;
  static constexpr double kStragglerFactor = 1.5;

  struct LostDevice {
    std::string name;
    absl::Time time;
  };

  // `events` is borrowed and must outlive this.
  explicit FleetObserver(EventLog& events) : events_(events) {}

  // Call it about once a second while the fleet works, or more often.
  void Observe(const FleetFacts& facts);

  // Of the last Observe(), and of those before it.
  const ReportHistory* HistoryOf(const std::string& device) const;
  const PlanGrid& grid() const { return grid_; }
  const std::optional<TokenSplit>& split_now() const { return split_now_; }
  const std::optional<TokenSplit>& split_total() const { return split_total_; }
  uint64_t tokens_now() const { return tokens_now_; }
  uint64_t tokens_total() const { return tokens_total_; }
  const std::vector<LostDevice>& lost() const { return lost_; }
  double TokensPerSecond(absl::Time now) const;

 private:
  struct DeviceMemory {
    ReportHistory history;
    uint64_t epoch = 0;
    uint64_t budget_bytes = 0;
    uint64_t resident_bytes = 0;
    int slow_count = 0;
    bool straggler_told = false;
    bool heat_told = false;
    bool battery_told = false;
  };

  void NoteMembers(const FleetFacts& facts);
  void NotePlan(const FleetFacts& facts);
  void NoteReports(const FleetFacts& facts);
  void NoteMemory(const std::string& device, const parallel::RankReport& report,
                  DeviceMemory& memory);
  void NoteHealth(const std::string& device,
                  const parallel::DeviceHealth& health, DeviceMemory& memory);
  void Split(const FleetFacts& facts);
  void NoteStragglers(const FleetFacts& facts);
  void NoteRefusals(const FleetFacts& facts);

  EventLog& events_;
  std::map<std::string, DeviceMemory> devices_;  // that are here
  std::vector<LostDevice> lost_;
  PlanGrid grid_;
  uint64_t grid_epoch_ = 0;
  uint64_t failed_epoch_ = 0;
  std::optional<TokenSplit> split_now_, split_total_;
  uint64_t tokens_now_ = 0;
  uint64_t tokens_total_ = 0;
  uint64_t refused_count_ = 0;
  bool is_running_ = false;
  std::deque<MeteredTotals> totals_;  // those with new tokens
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_OBSERVER_H_
