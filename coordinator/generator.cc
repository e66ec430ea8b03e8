#include "coordinator/generator.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::coordinator {
namespace {

// How many tokens two sequences begin with in common.
size_t CommonLength(const std::vector<int32_t>& a,
                    const std::vector<int32_t>& b) {
  const size_t length = std::min(a.size(), b.size());
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(length),
                    b.begin())
          .first -
      a.begin());
}

}  // namespace

absl::string_view ToString(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfText:
      return "stop";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

absl::Duration GenerateResult::time_per_token() const {
  if (token_times.empty()) return absl::ZeroDuration();
  return std::accumulate(token_times.begin(), token_times.end(),
                         absl::Duration()) /
         static_cast<int64_t>(token_times.size());
}

Generator::Generator(std::shared_ptr<const LoadedModel> model,
                     Deployment& deployment, GenerationMeter& meter)
    : model_(std::move(model)),
      deployment_(deployment),
      meter_(meter),
      chunk_tokens_(std::max<uint32_t>(deployment.plan().chunk_tokens, 1)),
      logits_rows_max_(std::max<uint32_t>(deployment.run().logits_rows_max, 1)),
      sessions_(deployment.run().session_count),
      residual_(size_t{chunk_tokens_} * model_->file->spec.hidden),
      logits_(size_t{logits_rows_max_} * model_->file->spec.vocabulary),
      embedding_(model_->file->spec, model_->file->header,
                 model_->units->source()) {
  for (Session& session : sessions_) {
    session.history.reserve(deployment.run().context_positions);
  }
  parts_.reserve(sessions_.size());
  pass_.rows.reserve(sessions_.size());
}

Generator::~Generator() {
  for (uint32_t i = 0; i < sessions_.size(); ++i) {
    if (sessions_[i].user != nullptr) meter_.Ended(i);
  }
}

absl::Status Generator::RunPass(std::span<float> logits) {
  pass_.epoch = deployment_.plan().epoch;
  ++pass_.number;
  return deployment_.RunPass(
      pass_,
      std::span<const float>(residual_).first(size_t{pass_.token_count()} *
                                              model_->file->spec.hidden),
      logits);
}

absl::Status Generator::RunRow(std::span<const int32_t> ids, uint32_t position,
                               uint32_t session, uint32_t logits_rows,
                               std::span<float> logits) {
  SHOAL_RETURN_IF_ERROR(embedding_.Read(
      ids, position,
      std::span(residual_).first(ids.size() * model_->file->spec.hidden)));
  pass_.rows.clear();
  const auto count = static_cast<uint32_t>(ids.size());
  pass_.rows.push_back({session, position, count, position, logits_rows});
  return RunPass(logits);
}

absl::Status Generator::RunTokens(std::span<const int32_t> ids,
                                  uint32_t first_position, uint32_t session,
                                  uint32_t logits_rows,
                                  std::span<float> logits) {
  const size_t vocabulary = model_->file->spec.vocabulary;
  SHOAL_CHECK(logits_rows <= ids.size() &&
              logits.size() == logits_rows * vocabulary);
  SHOAL_RETURN_IF_ERROR(CheckTokens(
      *model_, deployment_.run().context_positions, first_position, ids));
  if (session < sessions_.size()) sessions_[session].history.clear();
  const size_t logits_begin = ids.size() - logits_rows;
  for (size_t begin = 0; begin < ids.size();) {
    size_t count = std::min<size_t>(chunk_tokens_, ids.size() - begin);
    // A pass either gives no logits or those of all its tokens but for the
    // one in which they begin.
    size_t rows = begin + count > logits_begin
                      ? begin + count - std::max(begin, logits_begin)
                      : 0;
    if (rows > logits_rows_max_) {
      count -= rows - logits_rows_max_;
      rows = logits_rows_max_;
    }
    SHOAL_RETURN_IF_ERROR(RunRow(ids.subspan(begin, count),
                                 first_position + static_cast<uint32_t>(begin),
                                 session, static_cast<uint32_t>(rows),
                                 logits.first(rows * vocabulary)));
    logits = logits.subspan(rows * vocabulary);
    begin += count;
  }
  return absl::OkStatus();
}

// Where most of `prompt` is in the KV cache; of equal ones the one whose
// tokens were used the longest time ago.
uint32_t Generator::ChooseSession(const std::vector<int32_t>& prompt) const {
  const Session* best = nullptr;
  size_t best_common = 0;
  for (const Session& session : sessions_) {
    if (session.user != nullptr) continue;
    const size_t common = CommonLength(session.history, prompt);
    if (best != nullptr &&
        (common < best_common ||
         (common == best_common && session.used >= best->used))) {
      continue;
    }
    best = &session;
    best_common = common;
  }
  SHOAL_CHECK(best != nullptr, "more generations than sessions");
  return static_cast<uint32_t>(best - sessions_.data());
}

uint32_t Generator::SessionOf(ActiveGeneration& generation) {
  for (uint32_t i = 0; i < sessions_.size(); ++i) {
    if (sessions_[i].user == &generation) return i;
  }
  const uint32_t chosen = ChooseSession(generation.ids());
  Session& session = sessions_[chosen];
  // The last token of the prompt always runs: its logits are needed.
  generation.Reuse(static_cast<uint32_t>(
      std::min(CommonLength(session.history, generation.ids()),
               generation.ids().size() - 1)));
  session.user = &generation;
  session.history.clear();
  meter_.Began(chosen, generation);
  return chosen;
}

void Generator::PlanStep(std::span<ActiveGeneration* const> generations) {
  parts_.clear();
  uint32_t room = chunk_tokens_;
  for (ActiveGeneration* generation : generations) {
    if (generation->done() || room == 0) continue;
    if (parts_.size() == logits_rows_max_) break;
    parts_.push_back({generation, SessionOf(*generation), 1});
    --room;
  }
  for (Part& part : parts_) {
    const auto more = static_cast<uint32_t>(
        std::min<size_t>(part.generation->pending().size() - 1, room));
    part.token_count += more;
    room -= more;
  }
}

// Fills the pass and its residual; a generation whose tokens have no embedding
// fails and takes no part.
void Generator::EmbedParts() {
  const size_t hidden = model_->file->spec.hidden;
  std::span<float> residual = residual_;
  pass_.rows.clear();
  for (Part& part : parts_) {
    ActiveGeneration& generation = *part.generation;
    const auto ids = generation.pending().first(part.token_count);
    const absl::Status embedded = embedding_.Read(
        ids, generation.ran_count(), residual.first(ids.size() * hidden));
    if (!embedded.ok()) {
      generation.Fail(embedded);
      continue;
    }
    residual = residual.subspan(ids.size() * hidden);
    const uint32_t position = generation.ran_count();
    const bool last = ids.size() == generation.pending().size();
    pass_.rows.push_back(
        {part.session, position, part.token_count, position, last ? 1u : 0u});
  }
  std::erase_if(parts_,
                [](const Part& part) { return part.generation->done(); });
}

absl::Status Generator::Step(std::span<ActiveGeneration* const> generations) {
  PlanStep(generations);
  EmbedParts();
  if (parts_.empty()) return absl::OkStatus();
  const size_t vocabulary = model_->file->spec.vocabulary;
  std::span<float> logits =
      std::span(logits_).first(pass_.logits_count() * vocabulary);
  SHOAL_RETURN_IF_ERROR(RunPass(logits));
  for (const Part& part : parts_) {
    part.generation->Ran(part.token_count);
    sessions_[part.session].used = pass_.number;
    if (part.generation->pending().empty()) {
      part.generation->Choose(logits.first(vocabulary));
      logits = logits.subspan(vocabulary);
    }
    meter_.Stepped(part.session, *part.generation);
  }
  return absl::OkStatus();
}

void Generator::Release(const ActiveGeneration& generation) {
  for (uint32_t i = 0; i < sessions_.size(); ++i) {
    Session& session = sessions_[i];
    if (session.user != &generation) continue;
    session.user = nullptr;
    session.history.assign(generation.ids().begin(),
                           generation.ids().begin() + generation.ran_count());
    meter_.Ended(i);
  }
}

absl::StatusOr<GenerateResult> Generator::Generate(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::atomic<bool>* cancel) {
  SHOAL_ASSIGN_OR_RETURN(
      const std::unique_ptr<ActiveGeneration> generation,
      ActiveGeneration::Create(model_, deployment_.run().context_positions,
                               request));
  ActiveGeneration* const only = generation.get();
  size_t shown_bytes = 0;
  absl::Status run;
  while (run.ok() && !only->done()) {
    if (cancel != nullptr && cancel->load()) {
      only->Cancel();
    } else {
      run = Step({&only, 1});
    }
    const std::string& text = only->result().text;
    if (on_text && run.ok() && text.size() > shown_bytes) {
      on_text(absl::string_view(text).substr(shown_bytes));
      shown_bytes = text.size();
    }
  }
  Release(*only);
  SHOAL_RETURN_IF_ERROR(run);
  return only->TakeResult();
}

}  // namespace shoal::coordinator
