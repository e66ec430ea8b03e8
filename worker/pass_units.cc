// The units of one rank in a phase, as they come into memory.

#include <cstring>

#include "base/status_macros.h"
#include "parallel/reduce.h"
#include "worker/pass_runner.h"

namespace shoal::worker {
namespace {

// A unit that is in memory is there sooner: no stall, and no event of it.
constexpr absl::Duration kStallMin = absl::Microseconds(5);

}  // namespace

// Counts nothing: stalls are counted by whoever waits, computing is the rest.
base::TraceEvent PassRunner::EventOf(base::TraceKind kind,
                                     const PhaseWork& work) const {
  return {.begin_ns = trace_ == nullptr ? 0 : absl::GetCurrentTimeNanos(),
          .layer = static_cast<uint16_t>(work.layer),
          .phase = static_cast<uint16_t>(work.phase),
          .kind = kind};
}

void PassRunner::Record(base::TraceEvent event, uint32_t count) {
  if (trace_ == nullptr) return;
  event.count = count;
  event.duration_ns = absl::GetCurrentTimeNanos() - event.begin_ns;
  if (event.kind == base::TraceKind::kStall &&
      event.duration_ns < absl::ToInt64Nanoseconds(kStallMin)) {
    return;
  }
  trace_->Add(event);
}

absl::Time PassRunner::DiskDeadline() const {
  return rank_.clock().Now() + rank_.setup().options.data_timeout;
}

absl::Status PassRunner::ForOwnUnits(const PhaseWork& work, UnitBatch compute) {
  uint32_t entry = work.entry_begin;
  while (entry < work.entry_end) {
    if (rank_.views()[entry].layout->spec.id.kind == base::UnitKind::kExpert) {
      return ForRoutedUnits(work, entry, compute);
    }
    // A batch holds units of one kind.
    uint32_t end = entry + 1;
    while (end < work.entry_end &&
           rank_.views()[end].layout->spec.id.kind ==
               rank_.views()[entry].layout->spec.id.kind) {
      ++end;
    }
    const base::TraceEvent stall = EventOf(base::TraceKind::kStall, work);
    SHOAL_ASSIGN_OR_RETURN(
        const uint32_t count,
        rank_.cache().Acquire(entry, end - entry, acquired_, DiskDeadline()));
    Record(stall, count);
    for (uint32_t i = 0; i < count; ++i) {
      rank_.views()[entry + i].data = acquired_[i];
    }
    const base::TraceEvent computing = EventOf(base::TraceKind::kCompute, work);
    compute(std::span(rank_.views()).subspan(entry, count));
    Record(computing, count);
    rank_.cache().Release(entry, count);
    entry += count;
  }
  return absl::OkStatus();
}

absl::Status PassRunner::ForRoutedUnits(const PhaseWork& work, uint32_t begin,
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
    const base::TraceEvent stall = EventOf(base::TraceKind::kStall, work);
    SHOAL_ASSIGN_OR_RETURN(view.data,
                           rank_.cache().AcquireRouted(entry, DiskDeadline()));
    Record(stall, 1);
    const base::TraceEvent computing = EventOf(base::TraceKind::kCompute, work);
    compute({&view, 1});
    Record(computing, 1);
  }
  return absl::OkStatus();
}

absl::Status PassRunner::ComputeSum(const PhaseWork& work, TokenRange part) {
  if (!work.has_own_units()) return absl::OkStatus();
  const parallel::Payload payload = rank_.setup().plan.payload;
  const uint64_t row_bytes = uint64_t{hidden_} * parallel::BytesOf(payload);
  std::byte* const rows = rank_.accumulator().data() + part.begin * row_bytes;
  std::memset(rows, 0, part.count * row_bytes);
  rank_.compute().SelectTokens(part.begin, part.count);
  const model::Accumulator sum{payload == parallel::Payload::kF64
                                   ? kernels::ProductOutput::Mode::kAddF64
                                   : kernels::ProductOutput::Mode::kAdd,
                               rows};
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

}  // namespace shoal::worker
