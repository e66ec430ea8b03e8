#include "worker/pass_runner.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::worker {

using parallel::BlockKey;
using transport::FrameType;

PassRunner::PassRunner(LoadedRank& rank, transport::ChannelGroup* channels,
                       const std::atomic<bool>& stop)
    : rank_(rank),
      channels_(channels),
      stop_(stop),
      own_rank_(rank.setup().rank),
      hidden_(rank.spec().hidden),
      trace_(rank.trace().get()),
      hub_work_(rank),
      acquired_(rank.views().size()),
      stragglers_(rank.setup().plan.rank_count()) {}

absl::Status PassRunner::Run(const parallel::Pass& pass,
                             std::span<const float> embedded,
                             std::span<float> logits) {
  const absl::Time begin = absl::Now();
  const base::TraceScope scope(
      trace_, {.count = pass.token_count(), .kind = base::TraceKind::kPass});
  times_ = PassTimes();
  stragglers_.BeginPass();
  const absl::Duration stall_before = rank_.cache().counters().stall;
  SHOAL_RETURN_IF_ERROR(BeginPass(pass));
  const auto& stages = rank_.stages();
  for (size_t s = 0; s < stages.size(); ++s) {
    if (!stages[s].is_head) {
      SHOAL_RETURN_IF_ERROR(RunStage(s, embedded));
    }
  }
  SHOAL_RETURN_IF_ERROR(RunHead(embedded, logits));
  times_.stall = rank_.cache().counters().stall - stall_before;
  times_.compute =
      absl::Now() - begin - times_.stall - times_.wait - times_.exchange;
  return absl::OkStatus();
}

absl::Status PassRunner::BeginPass(const parallel::Pass& pass) {
  pass_ = pass.number;
  places_.clear();
  logits_tokens_.clear();
  for (const parallel::PassRow& row : pass.rows) {
    rank_.kv().Truncate(row.session, row.truncate_to);
    SHOAL_RETURN_IF_ERROR(
        rank_.kv().Reserve(row.session, row.first_position + row.token_count));
    for (uint32_t i = 0; i < row.token_count; ++i) {
      if (i + row.logits_count >= row.token_count) {
        logits_tokens_.push_back(static_cast<uint32_t>(places_.size()));
      }
      places_.push_back({row.session, row.first_position + i});
    }
  }
  return absl::OkStatus();
}

absl::Status PassRunner::RunStage(size_t stage_idx,
                                  std::span<const float> embedded) {
  const StageWork& stage = rank_.stages()[stage_idx];
  const bool is_hub = stage.hub == own_rank_;
  const auto tokens = static_cast<uint32_t>(places_.size());
  if (stage_idx == 0 && own_rank_ == 0 && !is_hub) {
    const Stopwatch watch = Exchanging(0, 0);
    const BlockKey key{pass_, 0, 0, FrameType::kResidual};
    SHOAL_RETURN_IF_ERROR(SendRows(std::span(&stage.hub, 1), key, tokens,
                                   hidden_ * sizeof(float),
                                   std::as_bytes(embedded).data()));
  }
  if (!stage.entered) return absl::OkStatus();
  if (is_hub) {
    SHOAL_RETURN_IF_ERROR(ReceiveResidual(stage_idx, tokens, embedded));
  }
  rank_.compute().BeginPass(places_);
  CutIntoParts(stage);
  if (!is_hub) return RunPhases(stage);
  SHOAL_RETURN_IF_ERROR(RunPhasesAtHub(stage));
  return SendResidual(stage_idx, rank_.stages()[stage_idx + 1].hub);
}

absl::Status PassRunner::ReceiveResidual(size_t stage_idx, uint32_t rows,
                                         std::span<const float> embedded) {
  const StageWork& stage = rank_.stages()[stage_idx];
  const uint32_t from = stage_idx == 0 ? 0 : rank_.stages()[stage_idx - 1].hub;
  if (from == own_rank_) {
    if (stage_idx == 0) {
      std::copy(embedded.begin(), embedded.end(), rank_.residual().begin());
    }
    return absl::OkStatus();
  }
  const uint32_t layer = stage.phases.empty() ? 0 : stage.phases[0].layer;
  const BlockKey key{pass_, stage_idx == 0 ? 0 : layer, 0,
                     FrameType::kResidual};
  const uint64_t row_bytes = hidden_ * sizeof(float);
  const uint32_t piece = parallel::PieceTokens(row_bytes);
  for (uint32_t begin = 0; begin < rows; begin += piece) {
    const uint32_t count = std::min(piece, rows - begin);
    SHOAL_ASSIGN_OR_RETURN(const auto bytes,
                           Receive(from, key, begin, count, row_bytes));
    const Stopwatch watch = Exchanging(layer, 0);
    std::memcpy(ResidualRows(begin, count).data(), bytes.data(), bytes.size());
  }
  return absl::OkStatus();
}

absl::Status PassRunner::SendResidual(size_t stage_idx, uint32_t next_hub) {
  const StageWork& next = rank_.stages()[stage_idx + 1];
  const Stopwatch watch = Exchanging(next.phases[0].layer, 0);
  if (next.is_head) {
    // The head needs the rows whose logits are wanted, no others.
    for (size_t i = 0; i < logits_tokens_.size(); ++i) {
      std::memmove(ResidualRows(static_cast<uint32_t>(i), 1).data(),
                   ResidualRows(logits_tokens_[i], 1).data(),
                   hidden_ * sizeof(float));
    }
  }
  if (next_hub == own_rank_) return absl::OkStatus();
  const auto rows = static_cast<uint32_t>(next.is_head ? logits_tokens_.size()
                                                       : places_.size());
  const BlockKey key{pass_, next.phases[0].layer, 0, FrameType::kResidual};
  return SendRows(std::span(&next_hub, 1), key, rows, hidden_ * sizeof(float),
                  std::as_bytes(ResidualRows(0, rows)).data());
}

absl::StatusOr<std::span<const std::byte>> PassRunner::Receive(
    uint32_t rank, const BlockKey& key, uint32_t begin, uint32_t count,
    uint64_t bytes_per_token) {
  SHOAL_CHECK(channels_ != nullptr);
  const Stopwatch watch = WaitingFor(rank, key);
  return parallel::ReceivePiece(channels_->To(rank), key, begin, count,
                                bytes_per_token,
                                rank_.setup().options.data_timeout);
}

absl::StatusOr<std::span<const std::byte>> PassRunner::ReceiveAtHub(
    uint32_t rank, const BlockKey& key, uint32_t begin, uint32_t count,
    uint64_t bytes_per_token) {
  const absl::Duration before = times_.wait;
  auto bytes = Receive(rank, key, begin, count, bytes_per_token);
  stragglers_.Received(rank, times_.wait - before);
  return bytes;
}

absl::Status PassRunner::Send(std::span<const uint32_t> ranks,
                              const BlockKey& key, uint32_t tokens,
                              uint64_t bytes_per_token,
                              parallel::WritePiece write) {
  FindTargets(ranks);
  return parallel::SendBlock(targets_, key, tokens, bytes_per_token,
                             rank_.piece(), rank_.setup().options.data_timeout,
                             write);
}

absl::Status PassRunner::SendRows(std::span<const uint32_t> ranks,
                                  const BlockKey& key, uint32_t tokens,
                                  uint64_t bytes_per_token,
                                  const std::byte* data) {
  FindTargets(ranks);
  return parallel::SendBlock(targets_, key, tokens, bytes_per_token, data,
                             rank_.setup().options.data_timeout);
}

void PassRunner::FindTargets(std::span<const uint32_t> ranks) {
  targets_.clear();
  for (const uint32_t rank : ranks) {
    if (rank != own_rank_) targets_.push_back(&channels_->To(rank));
  }
}

Stopwatch PassRunner::Exchanging(uint32_t layer, uint32_t phase) {
  return Stopwatch(times_.exchange, trace_,
                   {.layer = static_cast<uint16_t>(layer),
                    .phase = static_cast<uint16_t>(phase),
                    .kind = base::TraceKind::kExchange});
}

Stopwatch PassRunner::WaitingFor(uint32_t rank, const BlockKey& key) {
  return Stopwatch(times_.wait, trace_,
                   {.count = rank,
                    .layer = static_cast<uint16_t>(key.layer),
                    .phase = static_cast<uint16_t>(key.phase),
                    .kind = base::TraceKind::kWait});
}

BlockKey PassRunner::KeyOf(const PhaseWork& work, FrameType type,
                           uint32_t first_token) const {
  return {pass_, work.layer, work.phase, type, first_token};
}

std::span<float> PassRunner::ResidualRows(uint32_t begin, uint32_t count) {
  return std::span(rank_.residual())
      .subspan(uint64_t{begin} * hidden_, uint64_t{count} * hidden_);
}

}  // namespace shoal::worker
