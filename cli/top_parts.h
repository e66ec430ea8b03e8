// The tables and bars of `shoal top`.

#ifndef SHOAL_CLI_TOP_PARTS_H_
#define SHOAL_CLI_TOP_PARTS_H_

#include <vector>

#include "cli/styled_line.h"
#include "cli/top_layout.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

// Milliseconds.
struct TimeParts {
  double compute = 0;
  double disk = 0;
  double wire = 0;
  double wait = 0;

  double total() const { return compute + disk + wire + wait; }
};

// `columns` wide; `full_ms` fills it. What has a part has a column, if there
// are as many.
void AddTimeBar(const TimeParts& parts, double full_ms, int columns,
                const Glyphs& glyphs, StyledLine& line);

// A heading and a line for each device that the filter lets through, at most
// `line_max` lines; the last then says how many are missing. Wider screens have
// more columns.
std::vector<StyledLine> DeviceLines(const TopState& state,
                                    const TopScreen& screen, int line_max);

// The plan: a column for each rank, a line for each stage with the share of
// each rank in it; * for the hub, ! for who the others wait for. No lines
// without a plan.
std::vector<StyledLine> GridLines(const proto::FleetSnapshot& snapshot,
                                  const TopScreen& screen, int line_max);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_PARTS_H_
