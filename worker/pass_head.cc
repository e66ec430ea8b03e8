// The head of a pass: logits of the wanted rows, gathered at rank 0.

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/status_macros.h"
#include "worker/pass_runner.h"

namespace shoal::worker {

using parallel::BlockKey;
using transport::FrameType;

absl::Status PassRunner::RunHead(std::span<const float> embedded,
                                 std::span<float> logits) {
  const size_t stage_idx = rank_.stages().size() - 1;
  const StageWork& stage = rank_.stages()[stage_idx];
  SHOAL_CHECK(stage.is_head && stage.phases.size() == 1);
  const PhaseWork& work = stage.phases[0];
  const auto rows = static_cast<uint32_t>(logits_tokens_.size());
  if (rows == 0) {
    if (work.has_own_units()) {
      rank_.cache().Skip(work.entry_begin, work.entry_end - work.entry_begin);
    }
    return absl::OkStatus();
  }
  if (!stage.entered) return absl::OkStatus();
  if (stage.hub != own_rank_) {
    rank_.input().Begin(work.shape, rows);
    SHOAL_RETURN_IF_ERROR(ReceiveInput(work, {0, rows}, 0));
    const uint64_t stride = rank_.views()[work.entry_end - 1].layout->begin +
                            rank_.views()[work.entry_end - 1].layout->count -
                            rank_.views()[work.entry_begin].layout->begin;
    logits_scratch_.resize(rows * stride);
    SHOAL_RETURN_IF_ERROR(
        ComputeLogits(work, logits_scratch_, stride,
                      rank_.views()[work.entry_begin].layout->begin));
    const Stopwatch watch = Exchanging(work.layer, work.phase);
    return SendRows(std::span(&work.hub, 1), KeyOf(work, FrameType::kLogits),
                    rows, stride * sizeof(float),
                    std::as_bytes(std::span(logits_scratch_)).data());
  }
  SHOAL_RETURN_IF_ERROR(ReceiveResidual(stage_idx, rows, embedded));
  rank_.input().Begin(work.shape, rows);
  SHOAL_RETURN_IF_ERROR(MakeInputAtHub(work, {0, rows}, 0));
  if (work.has_own_units()) {
    SHOAL_RETURN_IF_ERROR(
        ComputeLogits(work, logits, rank_.spec().vocabulary, 0));
  }
  return GatherLogits(work, logits);
}

absl::Status PassRunner::ComputeLogits(const PhaseWork& work,
                                       std::span<float> to, uint64_t stride,
                                       uint32_t first_row) {
  return ForOwnUnits(work, [&](std::span<const model::UnitView> units) {
    for (const model::UnitView& unit : units) {
      rank_.compute().Head(*work.spec->head, unit, rank_.input(),
                           to.data() + (unit.layout->begin - first_row),
                           stride);
    }
  });
}

absl::Status PassRunner::GatherLogits(const PhaseWork& work,
                                      std::span<float> logits) {
  const auto rows = static_cast<uint32_t>(logits_tokens_.size());
  const BlockKey key = KeyOf(work, FrameType::kLogits);
  const uint64_t vocabulary = rank_.spec().vocabulary;
  stragglers_.BeginExchange();
  for (const HeadSlice& slice : work.slices) {
    if (slice.rank == own_rank_) continue;
    const uint64_t row_bytes = slice.count * sizeof(float);
    const uint32_t piece = parallel::PieceTokens(row_bytes);
    for (uint32_t begin = 0; begin < rows; begin += piece) {
      const uint32_t count = std::min(piece, rows - begin);
      SHOAL_ASSIGN_OR_RETURN(
          const auto bytes,
          ReceiveAtHub(slice.rank, key, begin, count, row_bytes));
      const Stopwatch watch = Exchanging(work.layer, work.phase);
      for (uint32_t row = 0; row < count; ++row) {
        std::memcpy(logits.data() + (begin + row) * vocabulary + slice.begin,
                    bytes.data() + row * row_bytes, row_bytes);
      }
    }
  }
  stragglers_.EndExchange();
  return absl::OkStatus();
}

}  // namespace shoal::worker
