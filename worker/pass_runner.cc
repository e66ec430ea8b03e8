#include "worker/pass_runner.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "parallel/reduce.h"

namespace shoal::worker {

using parallel::BlockKey;
using transport::FrameType;

PassRunner::PassRunner(LoadedRank& rank, transport::ChannelGroup* channels)
    : rank_(rank),
      channels_(channels),
      own_rank_(rank.setup().rank),
      hidden_(rank.spec().hidden),
      hub_work_(rank),
      acquired_(rank.views().size()) {}

bool PassRunner::SendsInputs(const PhaseWork& work) const {
  return rank_.setup().plan.collective == parallel::Collective::kFusedStar ||
         work.only_hub_makes_inputs();
}

absl::Status PassRunner::Run(const parallel::Pass& pass,
                             std::span<const float> embedded,
                             std::span<float> logits) {
  const absl::Time begin = absl::Now();
  times_ = PassTimes();
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
    Stopwatch watch(times_.exchange);
    const BlockKey key{pass_, 0, 0, FrameType::kResidual};
    SHOAL_RETURN_IF_ERROR(Send(
        std::span(&stage.hub, 1), key, tokens, hidden_ * sizeof(float),
        [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
          std::memcpy(to.data(), embedded.data() + uint64_t{begin} * hidden_,
                      uint64_t{count} * hidden_ * sizeof(float));
        }));
  }
  if (!stage.entered) return absl::OkStatus();
  if (is_hub) {
    SHOAL_RETURN_IF_ERROR(ReceiveResidual(stage_idx, tokens, embedded));
  }
  rank_.compute().BeginPass(places_);
  for (const PhaseWork& work : stage.phases) {
    if (is_hub) {
      SHOAL_RETURN_IF_ERROR(MakeInputAtHub(work, tokens));
      SHOAL_RETURN_IF_ERROR(ComputeSum(work));
      SHOAL_RETURN_IF_ERROR(ReduceAtHub(work));
    } else if (work.has_own_units()) {
      SHOAL_RETURN_IF_ERROR(ReceiveInput(work, tokens));
      SHOAL_RETURN_IF_ERROR(ComputeSum(work));
      SHOAL_RETURN_IF_ERROR(SendPartial(work));
    }
  }
  if (!is_hub) return absl::OkStatus();
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
    Stopwatch watch(times_.exchange);
    std::memcpy(ResidualRows(begin, count).data(), bytes.data(), bytes.size());
  }
  return absl::OkStatus();
}

absl::Status PassRunner::SendResidual(size_t stage_idx, uint32_t next_hub) {
  const StageWork& next = rank_.stages()[stage_idx + 1];
  Stopwatch watch(times_.exchange);
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
  return Send(std::span(&next_hub, 1), key, rows, hidden_ * sizeof(float),
              [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
                std::memcpy(to.data(), ResidualRows(begin, count).data(),
                            to.size());
              });
}

absl::Status PassRunner::MakeInputAtHub(const PhaseWork& work,
                                        uint32_t tokens) {
  rank_.input().Begin(work.shape, tokens);
  hub_work_.MakeInputs(work, 0, ResidualRows(0, tokens));
  Stopwatch watch(times_.exchange);
  const BlockKey key = KeyOf(work, FrameType::kInput);
  if (!SendsInputs(work)) {
    return Send(work.ranks, key, tokens, hidden_ * sizeof(float),
                [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
                  std::memcpy(to.data(), ResidualRows(begin, count).data(),
                              to.size());
                });
  }
  const uint64_t row_bytes = model::PhaseInput::WireBytes(work.shape, 1);
  return Send(work.ranks, key, tokens, row_bytes,
              [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
                rank_.input().Write(begin, count, to);
              });
}

absl::Status PassRunner::ReceiveInput(const PhaseWork& work, uint32_t tokens) {
  const uint64_t row_bytes = SendsInputs(work)
                                 ? model::PhaseInput::WireBytes(work.shape, 1)
                                 : hidden_ * sizeof(float);
  const BlockKey key = KeyOf(work, FrameType::kInput);
  const uint32_t piece = parallel::PieceTokens(row_bytes);
  rank_.input().Begin(work.shape, tokens);
  for (uint32_t begin = 0; begin < tokens; begin += piece) {
    const uint32_t count = std::min(piece, tokens - begin);
    SHOAL_ASSIGN_OR_RETURN(const auto bytes,
                           Receive(work.hub, key, begin, count, row_bytes));
    Stopwatch watch(times_.exchange);
    if (!SendsInputs(work)) {
      std::memcpy(ResidualRows(begin, count).data(), bytes.data(),
                  bytes.size());
      hub_work_.MakeInputs(work, begin, ResidualRows(begin, count));
    } else if (!rank_.input().Read(begin, count, bytes) ||
               !RoutingIsValid(work, begin, count)) {
      return absl::DataLossError(
          absl::StrCat("the input of layer ", work.layer, " phase ", work.phase,
                       " from rank ", work.hub, " is malformed"));
    }
  }
  return absl::OkStatus();
}

bool PassRunner::RoutingIsValid(const PhaseWork& work, uint32_t begin,
                                uint32_t count) const {
  if (!work.spec->routed()) return true;
  const kernels::ActivationView routing = RoutingOf(work);
  for (uint32_t t = begin; t < begin + count; ++t) {
    const float* row = routing.values + uint64_t{t} * routing.cols;
    if (!model::RoutingIsValid(*work.spec, {row, routing.cols})) return false;
  }
  return true;
}

kernels::ActivationView PassRunner::RoutingOf(const PhaseWork& work) const {
  return rank_.input().View(static_cast<uint32_t>(work.spec->inputs.size()),
                            kernels::Encoding::kF32);
}

absl::Status PassRunner::ForOwnUnits(const PhaseWork& work, UnitBatch compute) {
  uint32_t entry = work.entry_begin;
  const absl::Time deadline = absl::Now() + rank_.setup().options.data_timeout;
  while (entry < work.entry_end) {
    if (rank_.views()[entry].layout->spec.id.kind == base::UnitKind::kExpert) {
      return ForRoutedUnits(work, entry, deadline, compute);
    }
    // A batch holds units of one kind.
    uint32_t end = entry + 1;
    while (end < work.entry_end &&
           rank_.views()[end].layout->spec.id.kind ==
               rank_.views()[entry].layout->spec.id.kind) {
      ++end;
    }
    SHOAL_ASSIGN_OR_RETURN(
        const uint32_t count,
        rank_.cache().Acquire(entry, end - entry, acquired_, deadline));
    for (uint32_t i = 0; i < count; ++i) {
      rank_.views()[entry + i].data = acquired_[i];
    }
    compute(std::span(rank_.views()).subspan(entry, count));
    rank_.cache().Release(entry, count);
    entry += count;
  }
  return absl::OkStatus();
}

absl::Status PassRunner::ForRoutedUnits(const PhaseWork& work, uint32_t begin,
                                        absl::Time deadline,
                                        UnitBatch compute) {
  const uint32_t used = work.spec->experts->used;
  const kernels::ActivationView routing = RoutingOf(work);
  chosen_.assign(work.spec->experts->count(), false);
  for (uint32_t t = 0; t < routing.tokens; ++t) {
    const float* row = routing.values + uint64_t{t} * routing.cols;
    for (uint32_t i = 0; i < used; ++i) {
      chosen_[static_cast<size_t>(row[2 * i])] = true;
    }
  }
  wanted_.clear();
  for (uint32_t entry = begin; entry < work.entry_end; ++entry) {
    if (chosen_[rank_.views()[entry].layout->spec.id.expert]) {
      wanted_.push_back(entry);
    }
  }
  rank_.cache().RequestRouted(wanted_);
  for (const uint32_t entry : wanted_) {
    model::UnitView& view = rank_.views()[entry];
    SHOAL_ASSIGN_OR_RETURN(view.data,
                           rank_.cache().AcquireRouted(entry, deadline));
    compute({&view, 1});
  }
  return absl::OkStatus();
}

absl::Status PassRunner::ComputeSum(const PhaseWork& work) {
  if (!work.has_own_units()) return absl::OkStatus();
  const parallel::Payload payload = rank_.setup().plan.payload;
  const uint64_t bytes = places_.size() * hidden_ * parallel::BytesOf(payload);
  std::memset(rank_.accumulator().data(), 0, bytes);
  const model::Accumulator sum{payload == parallel::Payload::kF64
                                   ? kernels::ProductOutput::Mode::kAddF64
                                   : kernels::ProductOutput::Mode::kAdd,
                               rank_.accumulator().data()};
  return ForOwnUnits(work, [&](std::span<const model::UnitView> units) {
    switch (units[0].layout->spec.id.kind) {
      case base::UnitKind::kAttention:
        return rank_.compute().Attention(*work.spec, units, rank_.input(), sum);
      case base::UnitKind::kExpert:
        return rank_.compute().Experts(*work.spec, units, rank_.input(), sum);
      default:
        return rank_.compute().Ffn(*work.spec, units, rank_.input(), sum);
    }
  });
}

absl::Status PassRunner::SendPartial(const PhaseWork& work) {
  Stopwatch watch(times_.exchange);
  const uint64_t row_bytes =
      uint64_t{hidden_} * parallel::BytesOf(rank_.setup().plan.payload);
  return Send(std::span(&work.hub, 1), KeyOf(work, FrameType::kPartial),
              static_cast<uint32_t>(places_.size()), row_bytes,
              [&](uint32_t begin, uint32_t, std::span<std::byte> to) {
                std::memcpy(to.data(),
                            rank_.accumulator().data() + begin * row_bytes,
                            to.size());
              });
}

absl::Status PassRunner::ReduceAtHub(const PhaseWork& work) {
  const parallel::Payload payload = rank_.setup().plan.payload;
  const uint64_t row_bytes = uint64_t{hidden_} * parallel::BytesOf(payload);
  const auto tokens = static_cast<uint32_t>(places_.size());
  const BlockKey key = KeyOf(work, FrameType::kPartial);
  const uint32_t piece = parallel::PieceTokens(row_bytes);
  std::vector<const std::byte*> parts(work.ranks.size());
  for (uint32_t begin = 0; begin < tokens; begin += piece) {
    const uint32_t count = std::min(piece, tokens - begin);
    for (size_t i = 0; i < work.ranks.size(); ++i) {
      if (work.ranks[i] == own_rank_) {
        parts[i] = rank_.accumulator().data() + begin * row_bytes;
        continue;
      }
      // Each part stays valid until the next frame from the same rank.
      SHOAL_ASSIGN_OR_RETURN(
          const auto bytes,
          Receive(work.ranks[i], key, begin, count, row_bytes));
      parts[i] = bytes.data();
    }
    Stopwatch watch(times_.exchange);
    hub_work_.AddResults(work, payload, parts, ResidualRows(begin, count));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<const std::byte>> PassRunner::Receive(
    uint32_t rank, const BlockKey& key, uint32_t begin, uint32_t count,
    uint64_t bytes_per_token) {
  SHOAL_CHECK(channels_ != nullptr);
  Stopwatch watch(times_.wait);
  return parallel::ReceivePiece(channels_->To(rank), key, begin, count,
                                bytes_per_token,
                                rank_.setup().options.data_timeout);
}

absl::Status PassRunner::Send(std::span<const uint32_t> ranks,
                              const BlockKey& key, uint32_t tokens,
                              uint64_t bytes_per_token,
                              parallel::WritePiece write) {
  targets_.clear();
  for (const uint32_t rank : ranks) {
    if (rank != own_rank_) targets_.push_back(&channels_->To(rank));
  }
  return parallel::SendBlock(targets_, key, tokens, bytes_per_token,
                             rank_.piece(), rank_.setup().options.data_timeout,
                             write);
}

BlockKey PassRunner::KeyOf(const PhaseWork& work, FrameType type) const {
  return {pass_, work.layer, work.phase, type};
}

std::span<float> PassRunner::ResidualRows(uint32_t begin, uint32_t count) {
  return std::span(rank_.residual())
      .subspan(uint64_t{begin} * hidden_, uint64_t{count} * hidden_);
}

}  // namespace shoal::worker
