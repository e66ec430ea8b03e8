#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/client_mode.h"
#include "cli/cluster_find.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_sampling.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"
#include "cli/json_report.h"
#include "cli/session.h"
#include "cli/standard_input.h"
#include "cli/summary.h"
#include "cli/template_flags.h"
#include "cli/trace_file.h"
#include "cli/verbs.h"
#include "model/tokenizer.h"

namespace shoal::cli {
namespace {

struct RunFlags {
  std::string model;
  std::string prompt;
  bool has_prompt = false;
  std::vector<int32_t> prompt_ids;
  std::string dump_logits;
  std::string system;
  bool raw = false;
  bool json = false;
  WhereFlags where;
  HowFlags how;
  SamplingFlags sampling;
};

absl::Status WriteLogits(const std::string& path,
                         const std::vector<float>& logits) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(logits.data()),
             static_cast<std::streamsize>(logits.size() * sizeof(float)));
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("--dump-logits ", path, ": cannot be written"));
}

absl::StatusOr<coordinator::GenerateRequest> MakeRequest(
    const RunFlags& flags) {
  coordinator::GenerateRequest request = RequestOf(flags.sampling);
  request.dump_prompt_logits = !flags.dump_logits.empty();
  if (!flags.prompt_ids.empty()) {
    request.prompt = flags.prompt_ids;
  } else if (flags.prompt == "-") {
    SHOAL_ASSIGN_OR_RETURN(request.prompt,
                           ReadStandardInput(model::Tokenizer::kTextBytesMax));
  } else {
    request.prompt = flags.prompt;
  }
  return request;
}

// The prompt as what a user says, where the model has a chat template.
absl::Status UseChatTemplate(const RunFlags& flags, bool has_template,
                             coordinator::GenerateRequest& request) {
  auto* text = std::get_if<std::string>(&request.prompt);
  if (flags.raw || text == nullptr) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const bool conversation,
                         UsesConversation(has_template, flags.system));
  if (!conversation) {
    std::fputs(
        "no chat template in the model: the text is continued as it is\n",
        stderr);
    return absl::OkStatus();
  }
  coordinator::Conversation talk = ConversationWith(flags.system);
  talk.messages.push_back({"user", *std::move(text)});
  request.prompt = std::move(talk);
  return absl::OkStatus();
}

// Standard output, which may be closed while we write.
class Printer {
 public:
  explicit Printer(InterruptWatcher& interrupt) : interrupt_(interrupt) {}

  void Print(absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0 && !closed_) {
      closed_ = true;
      interrupt_.cancel() = true;
    }
  }
  coordinator::TextCallback callback() {
    return [this](absl::string_view text) { Print(text); };
  }
  // Why the run did not end as it should.
  absl::Status End() const {
    if (interrupt_.interrupted()) return absl::CancelledError("interrupted");
    if (closed_) return absl::UnavailableError("standard output was closed");
    return absl::OkStatus();
  }

 private:
  InterruptWatcher& interrupt_;
  bool closed_ = false;
};

absl::Status RunAtCoordinator(const RunFlags& flags, CoordinatorClient& client,
                              InterruptWatcher& interrupt) {
  if (!flags.dump_logits.empty() || !flags.how.trace.empty()) {
    return absl::InvalidArgumentError(
        "--dump-logits and --trace need a coordinator of one's own; leave them "
        "out, or end the one that runs");
  }
  SHOAL_ASSIGN_OR_RETURN(coordinator::GenerateRequest request,
                         MakeRequest(flags));
  SHOAL_ASSIGN_OR_RETURN(
      const ServedModel model,
      WaitForModel(client, flags.where.join_timeout, interrupt));
  SHOAL_RETURN_IF_ERROR(
      UseChatTemplate(flags, model.has_chat_template, request));
  std::fputs("generating\n\n", stderr);
  Printer print(interrupt);
  SHOAL_ASSIGN_OR_RETURN(
      const coordinator::GenerateResult result,
      client.Generate(
          request, flags.json ? coordinator::TextCallback() : print.callback(),
          interrupt.cancel()));
  if (flags.json) {
    std::printf("%s\n", JsonResult(result).c_str());
  } else {
    if (!result.text.empty()) print.Print("\n");
    std::fprintf(stderr, "\n%s", ResultLine(result).c_str());
  }
  return print.End();
}

absl::Status Run(const RunFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<CoordinatorClient> client,
                         ChooseCoordinator(flags.where, !flags.model.empty()));
  if (client != nullptr) return RunAtCoordinator(flags, *client, interrupt);
  std::unique_ptr<TraceFile> trace;
  if (!flags.how.trace.empty()) {
    SHOAL_ASSIGN_OR_RETURN(trace, TraceFile::Create(flags.how.trace));
  }
  SHOAL_ASSIGN_OR_RETURN(coordinator::GenerateRequest request,
                         MakeRequest(flags));
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions options,
                         SessionOptionsOf(flags.model, flags.where, flags.how));
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                         Session::Start(options, interrupt));
  coordinator::Coordinator& coordinator = session->coordinator();
  SHOAL_ASSIGN_OR_RETURN(const bool has_template,
                         coordinator.HasChatTemplate());
  SHOAL_RETURN_IF_ERROR(UseChatTemplate(flags, has_template, request));
  std::fputs("generating\n\n", stderr);
  Printer print(interrupt);
  SHOAL_ASSIGN_OR_RETURN(
      coordinator::GenerateResult result,
      coordinator.Generate(
          request, flags.json ? coordinator::TextCallback() : print.callback(),
          &interrupt.cancel()));
  if (!flags.dump_logits.empty() && !result.prompt_logits.empty()) {
    SHOAL_RETURN_IF_ERROR(WriteLogits(flags.dump_logits, result.prompt_logits));
  }
  if (trace != nullptr) SHOAL_RETURN_IF_ERROR(SaveTrace(coordinator, *trace));
  const RunFacts facts = FactsOf(coordinator, std::move(result));
  if (flags.json) {
    std::printf("%s\n", JsonReport(facts).c_str());
  } else {
    if (!facts.result.text.empty()) print.Print("\n");
    std::fprintf(stderr, "\n%s", SummaryText(facts).c_str());
  }
  return print.End();
}

absl::Status CheckRunFlags(RunFlags& flags) {
  SHOAL_RETURN_IF_ERROR(ChooseCluster(flags.where));
  SHOAL_RETURN_IF_ERROR(CheckWhereFlags(flags.where));
  if (flags.has_prompt == !flags.prompt_ids.empty()) {
    return absl::InvalidArgumentError(
        "give the prompt, either as text with -p TEXT (- for standard input) "
        "or as --prompt-ids");
  }
  if (flags.model.empty() && flags.where.cluster.empty() &&
      flags.where.coordinator.empty()) {
    return absl::InvalidArgumentError(
        "--model is missing (a GGUF file, or a --cluster that names one)");
  }
  return CheckSystemFlag(flags.system, flags.raw || !flags.prompt_ids.empty());
}

}  // namespace

void AddRunVerb(Command& root) {
  Command& verb = root.AddVerb("run", "A prompt goes in, text comes out");
  auto flags = std::make_shared<RunFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               SetText(&flags->model));
  verb.AddFlag({.names = "-p,--prompt",
                .value = "TEXT",
                .help = "What to answer, or with --raw the text to go on "
                        "with; - reads standard input"},
               [flags](const std::string& text) {
                 flags->prompt = text;
                 flags->has_prompt = true;
                 return absl::OkStatus();
               });
  verb.AddFlag({.names = "--prompt-ids",
                .value = "IDS",
                .help = "The prompt as token ids, such as 1,15043"},
               SetTokenIds(&flags->prompt_ids));
  AddTemplateFlags(verb, flags->system, flags->raw);
  verb.AddSwitch({.names = "--json",
                  .help = "Print one JSON object instead of text and summary"},
                 &flags->json);
  verb.AddFlag({.names = "--dump-logits",
                .value = "FILE",
                .help = "Write the logits after the prompt: one little-endian "
                        "f32 per vocabulary entry"},
               SetText(&flags->dump_logits));
  AddWhereFlags(verb, flags->where);
  AddCoordinatorFlag(verb, flags->where);
  AddHowFlags(verb, flags->how);
  AddMemoryFileFlag(verb, flags->how);
  AddTraceFlag(verb, flags->how);
  AddSamplingFlags(verb, flags->sampling);
  verb.SetDetails(
      "The prompt is what a user says to the model, in the form that the\n"
      "model's chat template gives it; a model without one goes on with the\n"
      "text as it is. Text goes to standard output, progress and the summary\n"
      "to standard error.\n\nExamples:\n"
      "  shoal run -m MODEL.gguf -p 'Once upon a time'\n"
      "  shoal run -m MODEL.gguf -p - --local 4 --weights stream < prompt.txt\n"
      "  shoal run -m MODEL.gguf -p Hello --listen 192.168.1.10:7070 "
      "--expect 2 --insecure");
  verb.SetCheck([flags] { return CheckRunFlags(*flags); });
  verb.SetRunner([flags] { return Run(*flags); });
}

}  // namespace shoal::cli
