#include "parallel/memory_need.h"

#include <algorithm>
#include <set>

#include "base/byte_size.h"
#include "parallel/pieces.h"
#include "parallel/rank.h"
#include "transport/frame.h"
#include "transport/network.h"
#include "transport/sealed_frame.h"

namespace shoal::parallel {
namespace {

using base::AlignUp;
using base::UnitKind;
using base::UnitSpec;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kKvPagePositions = 32;
// int8 values, and for each block of 32 a scale (4) and two sums (2 each).
uint64_t A8Bytes(uint64_t values) { return values + (values + 31) / 32 * 8; }

// What of the plan concerns the memory of one rank.
struct Role {
  uint64_t head_rows = 0;  // vocabulary rows of its head units
  bool hub = false;
  bool leaf = false;  // has units in a stage whose hub is another rank
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
    if (!HasUnitsIn(plan, stage, rank, units)) continue;
    if (stage.hub != rank) role.leaf = true;
    peers.insert(stage.hub);
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
    bytes += base::ScratchTokens(plan.chunk_tokens) *
             (4 * scratch + A8Bytes(base::kIntermediatesPerFloat * scratch));
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

// What of a block of `tokens` lies in one end's buffers at once: the pieces
// that wait, the one on the wire and the one in use.
uint64_t QueuedBytes(uint64_t tokens, uint64_t token_bytes) {
  if (tokens == 0 || token_bytes == 0) return 0;
  const uint64_t in_buffers = transport::NetworkOptions().high_water_mark + 2;
  const uint64_t piece_tokens = PieceTokens(token_bytes);
  const uint64_t pieces =
      std::min((tokens + piece_tokens - 1) / piece_tokens, in_buffers);
  return std::min(tokens, pieces * piece_tokens) * token_bytes +
         pieces * transport::kFrameHeaderBytes;
}

// Each link carries one block at a time in either direction, because the hub
// sends the next input when it has all partial sums.
uint64_t TransportBytes(const Plan& plan, const Role& role, uint32_t rank,
                        const ModelDimensions& dimensions,
                        const RunOptions& options) {
  const uint64_t hidden = dimensions.hidden;
  const uint64_t tokens = plan.chunk_tokens;
  uint64_t input = 4 * hidden;  // the plain star and the next stage: f32
  if (plan.collective == Collective::kFusedStar) {
    const bool handed_on =
        std::any_of(plan.stages.begin(), plan.stages.end(),
                    [](const StagePlan& stage) { return stage.hub != 0; });
    input = std::max(handed_on ? input : 0, dimensions.input_bytes);
  }
  const uint64_t partial = hidden * (plan.payload == Payload::kF64 ? 8 : 4);
  const uint64_t rows = options.logits_rows_max;
  const uint64_t own_logits = QueuedBytes(rows, 4 * role.head_rows);
  const uint64_t inputs = QueuedBytes(tokens, input);
  const uint64_t partials = QueuedBytes(tokens, partial);
  // The piece that is being written.
  uint64_t bytes = std::min(tokens * std::max(input, partial),
                            PiecePayloadMax(std::max(input, partial)));
  // Each link has a buffer of its own for what it seals.
  if (options.seal_links) {
    const uint64_t widest =
        std::max(std::max(input, partial), uint64_t{4} * role.head_rows);
    bytes += role.peer_count * (std::min(std::max(tokens, rows) * widest,
                                         PiecePayloadMax(widest)) +
                                transport::kSealedExtraBytes);
  }
  // An area for each direction, whose pages are kept once they were used.
  if (SharesMemory(options)) {
    const uint64_t area = SharedBytes(plan, hidden);
    if (area > 0) bytes += role.peer_count * 2 * (area + kPageBytes);
  }
  if (role.hub) {
    uint64_t sums = role.peer_count * partials;
    if (rank == 0) sums = std::max(sums, rows * dimensions.vocabulary * 4);
    bytes += sums + role.peer_count *
                        (role.leaf ? std::max(inputs, partials) : inputs);
  } else {
    bytes += role.peer_count * (inputs + std::max(partials, own_logits));
  }
  return role.peer_count == 0 ? 0 : bytes;
}

}  // namespace

uint64_t KvBytes(KvFormat format, uint64_t elements, uint64_t blocks) {
  switch (format) {
    case KvFormat::kF32:
      return 4 * elements;
    case KvFormat::kQ8:
      return elements + 2 * blocks;
    case KvFormat::kF16:
      break;
  }
  return 2 * elements;
}

uint64_t KvPositions(const RunOptions& options) {
  return AlignUp(options.context_positions, kKvPagePositions) *
         options.session_count;
}

MemoryNeed NeedOf(const Plan& plan, uint32_t rank,
                  std::span<const UnitSpec> units,
                  const ModelDimensions& dimensions,
                  const RunOptions& options) {
  MemoryNeed need;
  uint64_t position_bytes = 0;
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
      position_bytes +=
          KvBytes(options.kv, units[i].kv_elements, units[i].kv_blocks);
      ++unit_count;
    }
  }
  // A page of every stream makes a block, which the system's pages hold.
  need.kv = KvPositions(options) / kKvPagePositions *
            AlignUp(kKvPagePositions * position_bytes, kPageBytes);
  // Room to read one unit while another is computed.
  if (unit_count > 0) {
    need.window_min = std::min<uint64_t>(unit_count, 2) * unit_bytes_max +
                      2 * routed_bytes_max + kPageBytes;
  }
  const Role role = RoleOf(plan, rank, units, dimensions);
  need.activations = ActivationBytes(plan, role, rank, dimensions, options);
  if (options.trace) {
    need.activations += kTraceEventCountMax * base::TraceRecorder::kEventBytes;
  }
  need.transport = TransportBytes(plan, role, rank, dimensions, options);
  return need;
}

}  // namespace shoal::parallel
