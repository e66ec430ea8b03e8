// What the keys of `shoal top` do.

#ifndef SHOAL_CLI_TOP_CONTROL_H_
#define SHOAL_CLI_TOP_CONTROL_H_

#include <optional>

#include "cli/top_layout.h"
#include "coordinator/fleet_change.h"

namespace shoal::cli {

// Threads: thread-compatible.
class TopControl {
 public:
  // `state` is borrowed.
  explicit TopControl(TopState& state) : state_(state) {}

  bool quits() const { return quits_; }

  // A key of TopTerminal::ReadKey().
  void Press(int key);

  // What was asked for and answered with yes; once.
  std::optional<coordinator::FleetChange> TakeChange();

 private:
  void Type(int key);
  void Answer(int key);
  void Select(int step);
  void AskFor(coordinator::FleetChange::Kind kind);

  TopState& state_;
  bool quits_ = false;
  std::optional<coordinator::FleetChange> confirmed_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_CONTROL_H_
