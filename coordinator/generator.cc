#include "coordinator/generator.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "kernels/layout.h"
#include "model/detokenizer.h"
#include "model/sampler.h"
#include "model/stop_matcher.h"

namespace shoal::coordinator {
namespace {

model::SamplingParameters ParametersOf(const SamplingOptions& options) {
  model::SamplingParameters parameters;
  parameters.repeat_penalty = options.repeat_penalty;
  parameters.repeat_window = options.repeat_window;
  parameters.top_k = options.top_k;
  parameters.top_p = options.top_p;
  parameters.min_p = options.min_p;
  parameters.temperature = options.temperature;
  parameters.seed = options.seed;
  return parameters;
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

struct Generator::Output {
  model::Sampler sampler;
  model::StreamDetokenizer detokenizer;
  model::StopMatcher stop;
  const TextCallback& on_text;
  GenerateResult result;
  absl::Time last;           // when the last token was chosen, or the start
  std::string piece, shown;  // scratch

  void NoteTime() {
    const absl::Time now = absl::Now();
    if (result.token_ids.empty()) {
      result.time_to_first_token = now - last;
    } else {
      result.token_times.push_back(now - last);
    }
    last = now;
  }
  void Emit() {
    if (shown.empty()) return;
    result.text += shown;
    if (on_text) on_text(shown);
    shown.clear();
  }
  void Add(int32_t id) {
    result.token_ids.push_back(id);
    piece.clear();
    detokenizer.Feed(id, piece);
    stop.Feed(piece, shown);
    Emit();
  }
  void Finish() {
    piece.clear();
    detokenizer.Flush(piece);
    stop.Feed(piece, shown);
    stop.Flush(shown);
    Emit();
  }
};

Generator::Generator(const LoadedModel& model, Deployment& deployment)
    : model_(model),
      deployment_(deployment),
      chunk_tokens_(std::max<uint32_t>(deployment.plan().chunk_tokens, 1)),
      residual_(size_t{chunk_tokens_} * model.file->spec.hidden),
      logits_(model.file->spec.vocabulary),
      embedding_(model.file->spec, model.file->header, model.units->source()) {
  history_.reserve(deployment.run().context_positions);
}

absl::StatusOr<std::vector<int32_t>> Generator::PromptIds(
    const GenerateRequest& request) const {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.prompt)) {
    return *ids;
  }
  if (const auto* talk = std::get_if<Conversation>(&request.prompt)) {
    SHOAL_ASSIGN_OR_RETURN(const model::ChatTemplate* chat_template,
                           model_.RequireChatTemplate());
    model::ChatInput input;
    input.messages = talk->messages;
    input.now = absl::Now();
    model::SetSpecialTokens(*model_.tokenizer, input);
    SHOAL_ASSIGN_OR_RETURN(const std::string text,
                           chat_template->Render(input));
    return model::EncodeChat(*model_.tokenizer, text);
  }
  model::Tokenizer::EncodeOptions options;
  options.add_special = request.add_special;
  options.parse_special = request.parse_special;
  return model_.tokenizer->Encode(std::get<std::string>(request.prompt),
                                  options);
}

absl::Status Generator::CheckIds(std::span<const int32_t> ids,
                                 uint32_t first_position) const {
  if (ids.empty()) {
    return absl::InvalidArgumentError(
        "the prompt has no tokens; give at least one");
  }
  const uint32_t context = deployment_.run().context_positions;
  if (first_position > context || ids.size() > context - first_position) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the prompt has ", first_position + ids.size(), " tokens, the context ",
        context, " positions; shorten the prompt or raise --ctx"));
  }
  const auto vocabulary = static_cast<int64_t>(model_.file->spec.vocabulary);
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocabulary) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token id ", id, " is not in the vocabulary of ",
                     vocabulary, " (0 to ", vocabulary - 1, ")"));
  }
  return absl::OkStatus();
}

absl::Status Generator::RunPass(std::span<const int32_t> ids, uint32_t position,
                                uint32_t session, uint32_t logits_rows,
                                std::span<float> logits) {
  SHOAL_RETURN_IF_ERROR(embedding_.Read(
      ids, position,
      std::span(residual_).first(ids.size() * model_.file->spec.hidden)));
  parallel::Pass pass;
  pass.epoch = deployment_.plan().epoch;
  pass.number = ++pass_number_;
  const auto count = static_cast<uint32_t>(ids.size());
  pass.rows.push_back({session, position, count, position, logits_rows});
  return deployment_.RunPass(pass,
                             std::span<const float>(residual_).first(
                                 ids.size() * model_.file->spec.hidden),
                             logits);
}

absl::Status Generator::RunTokens(std::span<const int32_t> ids,
                                  uint32_t first_position, uint32_t session,
                                  uint32_t logits_rows,
                                  std::span<float> logits) {
  const size_t vocabulary = model_.file->spec.vocabulary;
  SHOAL_CHECK(logits_rows <= ids.size() &&
              logits.size() == logits_rows * vocabulary);
  SHOAL_RETURN_IF_ERROR(CheckIds(ids, first_position));
  if (session == 0) history_.clear();
  const size_t logits_begin = ids.size() - logits_rows;
  for (size_t begin = 0; begin < ids.size();) {
    size_t count = std::min<size_t>(chunk_tokens_, ids.size() - begin);
    // A pass either gives no logits or those of all its tokens but for the
    // one in which they begin.
    size_t rows = begin + count > logits_begin
                      ? begin + count - std::max(begin, logits_begin)
                      : 0;
    const size_t rows_max = deployment_.run().logits_rows_max;
    if (rows > rows_max) {
      count -= rows - rows_max;
      rows = rows_max;
    }
    SHOAL_RETURN_IF_ERROR(RunPass(ids.subspan(begin, count),
                                  first_position + static_cast<uint32_t>(begin),
                                  session, static_cast<uint32_t>(rows),
                                  logits.first(rows * vocabulary)));
    logits = logits.subspan(rows * vocabulary);
    begin += count;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Generator::Prefill(std::span<const int32_t> ids,
                                        uint32_t begin,
                                        const std::atomic<bool>* cancel) {
  while (begin < ids.size()) {
    if (cancel != nullptr && cancel->load()) return false;
    const size_t count = std::min<size_t>(chunk_tokens_, ids.size() - begin);
    const bool last = begin + count == ids.size();
    SHOAL_RETURN_IF_ERROR(
        RunPass(ids.subspan(begin, count), begin, 0, last ? 1 : 0,
                last ? std::span<float>(logits_) : std::span<float>()));
    history_.insert(history_.end(), ids.begin() + begin,
                    ids.begin() + begin + static_cast<ptrdiff_t>(count));
    begin += static_cast<uint32_t>(count);
  }
  return true;
}

absl::Status Generator::Decode(const GenerateRequest& request, Output& output,
                               const std::atomic<bool>* cancel) {
  GenerateResult& result = output.result;
  result.finish_reason = FinishReason::kLength;
  // Embeddings may be padded with rows that are no tokens.
  const auto choices = std::span<const float>(logits_).first(
      static_cast<size_t>(model_.tokenizer->vocab_size()));
  while (result.token_ids.size() < request.max_tokens) {
    SHOAL_ASSIGN_OR_RETURN(const int32_t id, output.sampler.Sample(choices));
    output.sampler.Accept(id);
    output.NoteTime();
    if (!request.ignore_eos && model_.tokenizer->IsEndOfGeneration(id)) {
      result.finish_reason = FinishReason::kEndOfText;
      break;
    }
    output.Add(id);
    if (output.stop.stopped()) {
      result.finish_reason = FinishReason::kStopString;
      break;
    }
    if (result.token_ids.size() == request.max_tokens) break;
    if (cancel != nullptr && cancel->load()) {
      result.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (history_.size() >= deployment_.run().context_positions) {
      result.finish_reason = FinishReason::kContext;
      break;
    }
    const auto position = static_cast<uint32_t>(history_.size());
    SHOAL_RETURN_IF_ERROR(RunPass({&id, 1}, position, 0, 1, logits_));
    history_.push_back(id);
  }
  output.Finish();
  return absl::OkStatus();
}

absl::StatusOr<GenerateResult> Generator::Generate(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::atomic<bool>* cancel) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, PromptIds(request));
  SHOAL_RETURN_IF_ERROR(CheckIds(ids, 0));
  SHOAL_ASSIGN_OR_RETURN(
      model::Sampler sampler,
      model::Sampler::Create(ParametersOf(request.sampling),
                             model_.tokenizer->vocab_size()));
  SHOAL_ASSIGN_OR_RETURN(model::StopMatcher stop,
                         model::StopMatcher::Create(request.stop));
  model::StreamDetokenizer::Options text_options;
  text_options.at_text_start = false;
  Output output{std::move(sampler),
                model::StreamDetokenizer(*model_.tokenizer, text_options),
                std::move(stop),
                on_text,
                {},
                absl::Now(),
                {},
                {}};
  output.result.token_ids.reserve(request.max_tokens);
  output.result.token_times.reserve(request.max_tokens);
  for (const int32_t id : ids) output.sampler.Accept(id);
  // The last token of the prompt always runs: its logits are needed.
  const size_t comparable = std::min(history_.size(), ids.size() - 1);
  const auto reused = static_cast<uint32_t>(
      std::mismatch(ids.begin(),
                    ids.begin() + static_cast<ptrdiff_t>(comparable),
                    history_.begin())
          .first -
      ids.begin());
  output.result.prompt_tokens = static_cast<uint32_t>(ids.size());
  output.result.reused_tokens = reused;
  history_.resize(reused);
  const auto run = [&]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const bool whole, Prefill(ids, reused, cancel));
    if (!whole) {
      output.result.finish_reason = FinishReason::kCancelled;
      return absl::OkStatus();
    }
    if (request.dump_prompt_logits) output.result.prompt_logits = logits_;
    return Decode(request, output, cancel);
  };
  const absl::Status done = run();
  if (!done.ok()) {
    history_.clear();
    return done;
  }
  return std::move(output.result);
}

}  // namespace shoal::coordinator
