#include "parallel/memory_need.h"

#include <algorithm>
#include <set>

#include "base/byte_size.h"
#include "parallel/pieces.h"
#include "parallel/rank.h"
#include "transport/frame.h"

namespace shoal::parallel {
namespace {

using base::AlignUp;
using base::UnitKind;
using base::UnitSpec;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kKvPagePositions = 32;
// Frames of one peer that lie in buffers at once: two each way.
constexpr uint64_t kFramesPerPeer = 4;

// int8 values, and for each block of 32 a scale (4) and a sum (2).
uint64_t A8Bytes(uint64_t values) { return values + (values + 31) / 32 * 6; }

// What of the plan concerns the memory of one rank.
struct Role {
  uint64_t head_rows = 0;  // vocabulary rows of its head units
  bool hub = false;
  bool computes = false;
  uint64_t peer_count = 0;
};

bool HasUnitsIn(const Plan& plan, const StagePlan& stage, uint32_t rank,
                std::span<const UnitSpec> units) {
  return std::any_of(
      plan.ranges.begin(), plan.ranges.end(), [&](const UnitRange& range) {
        const uint32_t layer = units[range.begin].id.layer;
        return range.rank == rank && layer >= stage.layer_begin &&
               layer < stage.layer_end;
      });
}

Role RoleOf(const Plan& plan, uint32_t rank, std::span<const UnitSpec> units,
            const ModelDimensions& dimensions) {
  Role role;
  std::set<uint32_t> peers = {0};  // rank 0 sends every rank its passes
  for (const StagePlan& stage : plan.stages) {
    if (stage.hub == rank) role.hub = true;
    if (HasUnitsIn(plan, stage, rank, units)) peers.insert(stage.hub);
  }
  for (const UnitRange& range : plan.ranges) {
    if (range.rank != rank) continue;
    role.computes = true;
    for (uint32_t i = range.begin; i < range.end; ++i) {
      if (units[i].id.kind == UnitKind::kHead) {
        role.head_rows += units[i].work_macs / std::max(dimensions.hidden, 1u);
      }
    }
  }
  peers.erase(rank);
  role.peer_count = role.hub ? plan.rank_count() - 1 : peers.size();
  return role;
}

uint64_t ActivationBytes(const Plan& plan, const Role& role, uint32_t rank,
                         const ModelDimensions& dimensions,
                         const RunOptions& options) {
  const uint64_t hidden = dimensions.hidden;
  const uint64_t tokens = plan.chunk_tokens;
  uint64_t bytes = 0;
  if (role.computes || role.hub) {
    const uint64_t sum_bytes = plan.payload == Payload::kF64 ? 8 : 4;
    const uint64_t scratch = uint64_t{dimensions.unit_scratch_floats};
    bytes += tokens * (dimensions.input_bytes + hidden * sum_bytes);
    bytes += std::min<uint64_t>(tokens, kTileTokens) *
             (4 * scratch + A8Bytes(scratch));
    bytes += options.logits_rows_max * role.head_rows * 4;
  }
  // The residual, and the normed rows before they are encoded.
  if (role.hub) {
    bytes += tokens * (2 * hidden + dimensions.hub_scratch_floats) * 4;
  }
  // The coordinator's embedded tokens and logits.
  if (rank == 0) {
    bytes += tokens * hidden * 4;
    bytes += uint64_t{options.logits_rows_max} * dimensions.vocabulary * 4;
  }
  return bytes;
}

}  // namespace

uint64_t KvBytesPerElement(KvFormat format) {
  return format == KvFormat::kF32 ? 4 : 2;
}

uint64_t KvPositions(const RunOptions& options) {
  return AlignUp(options.context_positions, kKvPagePositions);
}

MemoryNeed NeedOf(const Plan& plan, uint32_t rank,
                  std::span<const UnitSpec> units,
                  const ModelDimensions& dimensions,
                  const RunOptions& options) {
  MemoryNeed need;
  uint64_t kv_elements = 0;
  uint64_t unit_count = 0;
  uint64_t unit_bytes_max = 0;
  uint64_t routed_bytes_max = 0;
  for (const UnitSpec& unit : units) {
    if (KeepsHubUnit(plan, rank, unit.id)) {
      need.hub_units += AlignUp(unit.bytes, kPageBytes);
    }
  }
  for (const UnitRange& range : plan.ranges) {
    if (range.rank != rank) continue;
    for (uint32_t i = range.begin; i < range.end; ++i) {
      const uint64_t bytes = AlignUp(units[i].bytes, kPageBytes);
      need.share += bytes;
      uint64_t& largest = units[i].id.kind == UnitKind::kExpert
                              ? routed_bytes_max
                              : unit_bytes_max;
      largest = std::max(largest, bytes);
      kv_elements += units[i].kv_elements;
      ++unit_count;
    }
  }
  need.kv = KvPositions(options) * kv_elements * KvBytesPerElement(options.kv);
  // Room to read one unit while another is computed.
  if (unit_count > 0) {
    need.window_min = std::min<uint64_t>(unit_count, 2) * unit_bytes_max +
                      2 * routed_bytes_max + kPageBytes;
  }
  const Role role = RoleOf(plan, rank, units, dimensions);
  need.activations = ActivationBytes(plan, role, rank, dimensions, options);
  const uint64_t frame =
      std::min(uint64_t{plan.chunk_tokens} * dimensions.hidden * 8,
               kPieceBytes) +
      transport::kFrameHeaderBytes;
  need.transport = role.peer_count * kFramesPerPeer * frame;
  return need;
}

}  // namespace shoal::parallel
