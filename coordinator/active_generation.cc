#include "coordinator/active_generation.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "coordinator/token_logprobs.h"

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

absl::StatusOr<std::vector<int32_t>> PromptIds(const LoadedModel& model,
                                               uint32_t context_positions,
                                               const GenerateRequest& request) {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.prompt)) {
    return *ids;
  }
  if (const auto* talk = std::get_if<Conversation>(&request.prompt)) {
    SHOAL_ASSIGN_OR_RETURN(const model::ChatTemplate* chat_template,
                           model.RequireChatTemplate());
    model::ChatInput input;
    input.messages = talk->messages;
    input.now = absl::Now();
    model::SetSpecialTokens(*model.tokenizer, input);
    SHOAL_ASSIGN_OR_RETURN(const std::string text,
                           chat_template->Render(input));
    SHOAL_RETURN_IF_ERROR(
        CheckTextBytes(model, context_positions, text.size()));
    return model::EncodeChat(*model.tokenizer, text);
  }
  model::Tokenizer::EncodeOptions options;
  options.add_special = request.add_special;
  options.parse_special = request.parse_special;
  const auto& text = std::get<std::string>(request.prompt);
  SHOAL_RETURN_IF_ERROR(CheckTextBytes(model, context_positions, text.size()));
  return model.tokenizer->Encode(text, options);
}

model::StreamDetokenizer::Options ContinuedText() {
  model::StreamDetokenizer::Options options;
  options.at_text_start = false;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActiveGeneration>> ActiveGeneration::Create(
    std::shared_ptr<const LoadedModel> model, uint32_t context_positions,
    const GenerateRequest& request) {
  SHOAL_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         PromptIds(*model, context_positions, request));
  SHOAL_RETURN_IF_ERROR(CheckTokens(*model, context_positions, 0, ids));
  SHOAL_RETURN_IF_ERROR(ParametersOf(request.sampling).Validate());
  SHOAL_ASSIGN_OR_RETURN(model::StopMatcher stop,
                         model::StopMatcher::Create(request.stop));
  if (request.top_logprobs.value_or(0) > kTopLogprobsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", *request.top_logprobs,
                     " most likely tokens are asked for; at most ",
                     kTopLogprobsMax, " are given"));
  }
  return std::unique_ptr<ActiveGeneration>(
      new ActiveGeneration(std::move(model), context_positions, request,
                           std::move(ids), std::move(stop)));
}

ActiveGeneration::ActiveGeneration(std::shared_ptr<const LoadedModel> model,
                                   uint32_t context_positions,
                                   const GenerateRequest& request,
                                   std::vector<int32_t> prompt,
                                   model::StopMatcher stop)
    : model_(std::move(model)),
      context_positions_(context_positions),
      token_count_max_(request.max_tokens),
      ignore_eos_(request.ignore_eos),
      dump_prompt_logits_(request.dump_prompt_logits),
      top_logprobs_(request.top_logprobs),
      sampling_(ParametersOf(request.sampling)),
      ids_(std::move(prompt)),
      detokenizer_(*model_->tokenizer, ContinuedText()),
      stop_(std::move(stop)),
      last_token_(absl::Now()) {
  result_.prompt_tokens = static_cast<uint32_t>(ids_.size());
  // One more than there are positions: the last need not run.
  const size_t count_max =
      std::min<size_t>(token_count_max_, context_positions_ - ids_.size() + 1);
  ids_.reserve(ids_.size() + count_max);
  result_.token_ids.reserve(count_max);
  result_.token_times.reserve(count_max);
}

void ActiveGeneration::Reuse(uint32_t count) {
  SHOAL_CHECK(ran_count_ == 0 && count < ids_.size());
  ran_count_ = count;
  if (result_.token_ids.empty()) result_.reused_tokens = count;
}

void ActiveGeneration::Restart() {
  if (done_) return;
  is_moved_ = is_moved_ || ran_count_ > 0;
  ran_count_ = 0;
}

void ActiveGeneration::Ran(uint32_t count) {
  SHOAL_CHECK(count <= pending().size());
  ran_count_ += count;
}

void ActiveGeneration::NoteTime() {
  const absl::Time now = absl::Now();
  if (result_.token_ids.empty()) {
    result_.time_to_first_token = now - last_token_;
  } else {
    result_.token_times.push_back(now - last_token_);
  }
  last_token_ = now;
}

void ActiveGeneration::AddText(int32_t id) {
  piece_.clear();
  detokenizer_.Feed(id, piece_);
  stop_.Feed(piece_, result_.text);
}

absl::StatusOr<int32_t> ActiveGeneration::Sample(
    std::span<const float> choices) {
  if (!sampler_) {
    SHOAL_ASSIGN_OR_RETURN(
        sampler_, model::Sampler::Create(sampling_,
                                         static_cast<int32_t>(choices.size())));
    for (const int32_t id : ids_) sampler_->Accept(id);
  }
  SHOAL_ASSIGN_OR_RETURN(const int32_t id, sampler_->Sample(choices));
  sampler_->Accept(id);
  return id;
}

void ActiveGeneration::Choose(std::span<const float> logits) {
  SHOAL_CHECK(!done_ && pending().empty());
  if (dump_prompt_logits_ && result_.token_ids.empty()) {
    result_.prompt_logits.assign(logits.begin(), logits.end());
  }
  if (token_count_max_ == 0) return Finish(FinishReason::kLength);
  // Embeddings may be padded with rows that are no tokens.
  const auto choices =
      logits.first(static_cast<size_t>(model_->tokenizer->vocab_size()));
  const absl::StatusOr<int32_t> id = Sample(choices);
  if (!id.ok()) return Fail(id.status());
  NoteTime();
  if (!ignore_eos_ && model_->tokenizer->IsEndOfGeneration(*id)) {
    return Finish(FinishReason::kEndOfText);
  }
  ids_.push_back(*id);
  result_.token_ids.push_back(*id);
  if (top_logprobs_) {
    result_.logprobs.push_back(
        LogprobsOf(choices, *id, *top_logprobs_, *model_->tokenizer));
  }
  AddText(*id);
  if (stop_.stopped()) return Finish(FinishReason::kStopString);
  if (result_.token_ids.size() == token_count_max_) {
    return Finish(FinishReason::kLength);
  }
  if (ran_count_ >= context_positions_) return Finish(FinishReason::kContext);
}

void ActiveGeneration::Finish(FinishReason reason) {
  piece_.clear();
  detokenizer_.Flush(piece_);
  stop_.Feed(piece_, result_.text);
  stop_.Flush(result_.text);
  result_.finish_reason = reason;
  done_ = true;
}

void ActiveGeneration::Cancel() {
  if (!done_) Finish(FinishReason::kCancelled);
}

void ActiveGeneration::Fail(absl::Status why) {
  if (done_) return;
  status_ = std::move(why);
  done_ = true;
}

absl::StatusOr<GenerateResult> ActiveGeneration::TakeResult() {
  SHOAL_CHECK(done_);
  SHOAL_RETURN_IF_ERROR(status_);
  return std::move(result_);
}

}  // namespace shoal::coordinator
