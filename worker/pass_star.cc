// The exchanges of a stage: inputs go out from the hub, partial sums come back.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "parallel/reduce.h"
#include "transport/network.h"
#include "worker/pass_runner.h"

namespace shoal::worker {

using parallel::BlockKey;
using transport::FrameType;

namespace {

// Fewer would cost the matrix products more than the exchange takes.
constexpr uint32_t kPartTokensMin = 32;

}  // namespace

// Two halves where the ranks exchange anything, so that one is computed while
// the other is under way; all ranks must come to the same. Each half fits into
// the queues of a link: else hub and rank could both wait for the other to
// read, since the hub sends inputs of one half while sums of the other come.
void PassRunner::CutIntoParts(const StageWork& stage) {
  const auto tokens = static_cast<uint32_t>(places_.size());
  parts_.assign(1, {0, tokens});
  const uint32_t half = (tokens + 1) / 2;
  if (!stage.exchanges || tokens / 2 < kPartTokensMin) return;
  // Between processes of one machine an exchange takes less than weights that
  // are unpacked twice.
  if (parallel::SharesMemory(rank_.setup().options)) return;
  uint64_t row_bytes =
      uint64_t{hidden_} * parallel::BytesOf(rank_.setup().plan.payload);
  for (const PhaseWork& work : stage.phases) {
    row_bytes = std::max(row_bytes, InputRowBytes(work));
  }
  const uint64_t queued =
      uint64_t{transport::NetworkOptions().high_water_mark} *
      parallel::PieceTokens(row_bytes);
  if (half > queued) return;
  parts_ = {{0, half}, {half, tokens - half}};
}

// What streams from disk is there once in a pass: then all is computed at once,
// and so are experts, of which each half would need most.
bool PassRunner::ComputesByPart(const PhaseWork& work) {
  return rank_.cache().streamed_bytes() == 0 && !work.spec->routed();
}

absl::Status PassRunner::RunPhasesAtHub(const StageWork& stage) {
  const TokenRange all{0, static_cast<uint32_t>(places_.size())};
  const PhaseWork* before = nullptr;
  for (const PhaseWork& work : stage.phases) {
    if (stop_) return absl::CancelledError("the pass was stopped");
    const bool by_part = ComputesByPart(work);
    if (!by_part) rank_.input().Begin(work.shape, all.count);
    for (const TokenRange& part : parts_) {
      if (before != nullptr) {
        SHOAL_RETURN_IF_ERROR(ReduceAtHub(*before, part));
      }
      if (by_part) rank_.input().Begin(work.shape, part.count);
      SHOAL_RETURN_IF_ERROR(
          MakeInputAtHub(work, part, by_part ? 0 : part.begin));
      if (by_part) SHOAL_RETURN_IF_ERROR(ComputeSum(work, part));
    }
    if (!by_part) SHOAL_RETURN_IF_ERROR(ComputeSum(work, all));
    before = &work;
  }
  for (const TokenRange& part : parts_) {
    if (before != nullptr) SHOAL_RETURN_IF_ERROR(ReduceAtHub(*before, part));
  }
  return absl::OkStatus();
}

absl::Status PassRunner::RunPhases(const StageWork& stage) {
  const TokenRange all{0, static_cast<uint32_t>(places_.size())};
  for (const PhaseWork& work : stage.phases) {
    if (stop_) return absl::CancelledError("the pass was stopped");
    if (!work.has_own_units()) continue;
    const bool by_part = ComputesByPart(work);
    if (!by_part) rank_.input().Begin(work.shape, all.count);
    for (const TokenRange& part : parts_) {
      if (by_part) rank_.input().Begin(work.shape, part.count);
      SHOAL_RETURN_IF_ERROR(ReceiveInput(work, part, by_part ? 0 : part.begin));
      if (!by_part) continue;
      SHOAL_RETURN_IF_ERROR(ComputeSum(work, part));
      SHOAL_RETURN_IF_ERROR(SendPartial(work, part));
    }
    if (by_part) continue;
    SHOAL_RETURN_IF_ERROR(ComputeSum(work, all));
    for (const TokenRange& part : parts_) {
      SHOAL_RETURN_IF_ERROR(SendPartial(work, part));
    }
  }
  return absl::OkStatus();
}

bool PassRunner::SendsInputs(const PhaseWork& work) const {
  return rank_.setup().plan.collective == parallel::Collective::kFusedStar ||
         work.only_hub_makes_inputs();
}

uint64_t PassRunner::InputRowBytes(const PhaseWork& work) const {
  return SendsInputs(work) ? model::PhaseInput::WireBytes(work.shape, 1)
                           : hidden_ * sizeof(float);
}

absl::Status PassRunner::MakeInputAtHub(const PhaseWork& work, TokenRange part,
                                        uint32_t input_row) {
  const auto rows = ResidualRows(part.begin, part.count);
  hub_work_.MakeInputs(work, input_row, rows);
  const Stopwatch watch = Exchanging(work.layer, work.phase);
  const BlockKey key = KeyOf(work, FrameType::kInput, part.begin);
  if (!SendsInputs(work)) {
    return SendRows(work.ranks, key, part.count, hidden_ * sizeof(float),
                    std::as_bytes(rows).data());
  }
  return Send(work.ranks, key, part.count, InputRowBytes(work),
              [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
                rank_.input().Write(input_row + begin, count, to);
              });
}

absl::Status PassRunner::ReceiveInput(const PhaseWork& work, TokenRange part,
                                      uint32_t input_row) {
  const uint64_t row_bytes = InputRowBytes(work);
  const BlockKey key = KeyOf(work, FrameType::kInput, part.begin);
  const uint32_t piece = parallel::PieceTokens(row_bytes);
  for (uint32_t begin = 0; begin < part.count; begin += piece) {
    const uint32_t count = std::min(piece, part.count - begin);
    const uint32_t row = input_row + begin;
    SHOAL_ASSIGN_OR_RETURN(const auto bytes,
                           Receive(work.hub, key, begin, count, row_bytes));
    const Stopwatch watch = Exchanging(work.layer, work.phase);
    if (!SendsInputs(work)) {
      const auto residual = ResidualRows(part.begin + begin, count);
      std::memcpy(residual.data(), bytes.data(), bytes.size());
      hub_work_.MakeInputs(work, row, residual);
    } else if (!rank_.input().Read(row, count, bytes) ||
               !RoutingIsValid(work, row, count)) {
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

absl::Status PassRunner::SendPartial(const PhaseWork& work, TokenRange part) {
  const Stopwatch watch = Exchanging(work.layer, work.phase);
  const uint64_t row_bytes =
      uint64_t{hidden_} * parallel::BytesOf(rank_.setup().plan.payload);
  return SendRows(std::span(&work.hub, 1),
                  KeyOf(work, FrameType::kPartial, part.begin), part.count,
                  row_bytes,
                  rank_.accumulator().data() + part.begin * row_bytes);
}

absl::Status PassRunner::ReduceAtHub(const PhaseWork& work, TokenRange part) {
  const parallel::Payload payload = rank_.setup().plan.payload;
  const uint64_t row_bytes = uint64_t{hidden_} * parallel::BytesOf(payload);
  const BlockKey key = KeyOf(work, FrameType::kPartial, part.begin);
  const uint32_t piece = parallel::PieceTokens(row_bytes);
  sums_.resize(work.ranks.size());
  for (uint32_t begin = 0; begin < part.count; begin += piece) {
    const uint32_t count = std::min(piece, part.count - begin);
    const uint32_t token = part.begin + begin;
    stragglers_.BeginExchange();
    for (size_t i = 0; i < work.ranks.size(); ++i) {
      if (work.ranks[i] == own_rank_) {
        sums_[i] = rank_.accumulator().data() + token * row_bytes;
        continue;
      }
      // Each stays valid until the next frame from the same rank.
      SHOAL_ASSIGN_OR_RETURN(
          const auto bytes,
          ReceiveAtHub(work.ranks[i], key, begin, count, row_bytes));
      sums_[i] = bytes.data();
    }
    stragglers_.EndExchange();
    const Stopwatch watch = Exchanging(work.layer, work.phase);
    hub_work_.AddResults(work, payload, sums_, ResidualRows(token, count));
  }
  return absl::OkStatus();
}

}  // namespace shoal::worker
