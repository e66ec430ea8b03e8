#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/client_mode.h"
#include "cli/cluster_find.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_sampling.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "cli/template_flags.h"
#include "cli/trace_file.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

struct ChatFlags {
  std::string model;
  std::string system;
  bool raw = false;
  WhereFlags where;
  HowFlags how;
  SamplingFlags sampling;
};

// Lines of standard input, given up when an interrupt comes.
class LineReader {
 public:
  explicit LineReader(const InterruptWatcher& interrupt)
      : interrupt_(interrupt), terminal_(isatty(STDIN_FILENO) == 1) {}

  // Nothing at the end of the input, or after an interrupt.
  std::optional<std::string> Next() {
    if (terminal_) std::fputs("> ", stderr);
    for (;;) {
      const size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      pollfd files[2] = {{STDIN_FILENO, POLLIN, 0},
                         {interrupt_.file(), POLLIN, 0}};
      if (poll(files, 2, -1) < 0 && errno != EINTR) return std::nullopt;
      if (interrupt_.interrupted()) return std::nullopt;
      if (files[0].revents == 0) continue;
      char bytes[1024];
      const ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
      if (count <= 0) {
        if (buffer_.empty()) return std::nullopt;
        return std::exchange(buffer_, "");
      }
      buffer_.append(bytes, static_cast<size_t>(count));
    }
  }

 private:
  const InterruptWatcher& interrupt_;
  const bool terminal_;
  std::string buffer_;
};

// What has been said so far: as messages where the model has a chat template,
// else as one text that goes on and on.
class Talk {
 public:
  Talk(bool by_template, const std::string& system)
      : by_template_(by_template), conversation_(ConversationWith(system)) {}

  void AddLine(const std::string& line) { Add("user", line); }
  void AddAnswer(const std::string& text) { Add("assistant", text); }
  void FillPrompt(coordinator::GenerateRequest& request) const {
    if (by_template_) {
      request.prompt = conversation_;
    } else {
      request.prompt = text_;
    }
  }

 private:
  void Add(const char* role, const std::string& text) {
    if (by_template_) {
      conversation_.messages.push_back({role, text});
    } else {
      absl::StrAppend(&text_, text, "\n");
    }
  }

  const bool by_template_;
  coordinator::Conversation conversation_;
  std::string text_;
};

// Who answers: a coordinator in this process, or one elsewhere.
struct Answerer {
  std::function<absl::StatusOr<coordinator::GenerateResult>(
      const coordinator::GenerateRequest&, const coordinator::TextCallback&)>
      generate;
  bool has_template = false;
  uint32_t context_positions = 0;
};

absl::StatusOr<bool> ByTemplate(const ChatFlags& flags, bool has_template) {
  if (flags.raw) return false;
  SHOAL_ASSIGN_OR_RETURN(const bool by_template,
                         UsesConversation(has_template, flags.system));
  if (!by_template) {
    std::fputs(
        "no chat template in the model: it goes on with the text as it is\n",
        stderr);
  }
  return by_template;
}

// Until the input ends; the last answer, if there was one.
absl::StatusOr<std::optional<coordinator::GenerateResult>> TalkWith(
    const ChatFlags& flags, const Answerer& answerer,
    const InterruptWatcher& interrupt) {
  coordinator::GenerateRequest request = RequestOf(flags.sampling);
  LineReader lines(interrupt);
  SHOAL_ASSIGN_OR_RETURN(const bool by_template,
                         ByTemplate(flags, answerer.has_template));
  Talk talk(by_template, flags.system);
  std::optional<coordinator::GenerateResult> last;
  while (const std::optional<std::string> line = lines.Next()) {
    if (line->empty()) continue;
    talk.AddLine(*line);
    talk.FillPrompt(request);
    SHOAL_ASSIGN_OR_RETURN(
        coordinator::GenerateResult result,
        answerer.generate(request, [](absl::string_view text) {
          std::fwrite(text.data(), 1, text.size(), stdout);
          std::fflush(stdout);
        }));
    std::fputs("\n", stdout);
    std::fflush(stdout);
    talk.AddAnswer(result.text);
    const bool full =
        result.finish_reason == coordinator::FinishReason::kContext;
    last = std::move(result);
    if (full) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the conversation has filled the context of ",
                       answerer.context_positions,
                       " tokens; begin a new one, or allow more with --ctx"));
    }
    if (interrupt.interrupted()) break;
  }
  return last;
}

absl::Status ChatAtCoordinator(const ChatFlags& flags,
                               CoordinatorClient& client,
                               InterruptWatcher& interrupt) {
  if (!flags.how.trace.empty()) {
    return absl::InvalidArgumentError(
        "--trace needs a coordinator of one's own; leave it out, or end the "
        "one that runs");
  }
  SHOAL_ASSIGN_OR_RETURN(
      const ServedModel model,
      WaitForModel(client, flags.where.join_timeout, interrupt));
  Answerer answerer;
  answerer.generate = [&](const auto& request, const auto& on_text) {
    return client.Generate(request, on_text, interrupt.cancel());
  };
  answerer.has_template = model.has_chat_template;
  answerer.context_positions = model.context_positions;
  SHOAL_ASSIGN_OR_RETURN(const auto last, TalkWith(flags, answerer, interrupt));
  if (last) std::fprintf(stderr, "\n%s", ResultLine(*last).c_str());
  if (interrupt.interrupted()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

absl::Status Chat(const ChatFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<CoordinatorClient> client,
                         ChooseCoordinator(flags.where, !flags.model.empty()));
  if (client != nullptr) return ChatAtCoordinator(flags, *client, interrupt);
  std::unique_ptr<TraceFile> trace;
  if (!flags.how.trace.empty()) {
    SHOAL_ASSIGN_OR_RETURN(trace, TraceFile::Create(flags.how.trace));
  }
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions options,
                         SessionOptionsOf(flags.model, flags.where, flags.how));
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                         Session::Start(options, interrupt));
  coordinator::Coordinator& coordinator = session->coordinator();
  Answerer answerer;
  answerer.generate = [&](const auto& request, const auto& on_text) {
    return coordinator.Generate(request, on_text, &interrupt.cancel());
  };
  SHOAL_ASSIGN_OR_RETURN(answerer.has_template, coordinator.HasChatTemplate());
  answerer.context_positions = coordinator.context_positions();
  SHOAL_ASSIGN_OR_RETURN(std::optional<coordinator::GenerateResult> last,
                         TalkWith(flags, answerer, interrupt));
  if (trace != nullptr) SHOAL_RETURN_IF_ERROR(SaveTrace(coordinator, *trace));
  if (last) {
    std::fprintf(stderr, "\n%s",
                 SummaryText(FactsOf(coordinator, *std::move(last))).c_str());
  }
  if (interrupt.interrupted()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

}  // namespace

void AddChatVerb(Command& root) {
  Command& verb = root.AddVerb("chat", "A conversation in the terminal");
  auto flags = std::make_shared<ChatFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               SetText(&flags->model));
  AddTemplateFlags(verb, flags->system, flags->raw);
  AddWhereFlags(verb, flags->where);
  AddCoordinatorFlag(verb, flags->where);
  AddHowFlags(verb, flags->how);
  AddMemoryFileFlag(verb, flags->how);
  AddTraceFlag(verb, flags->how);
  AddSamplingFlags(verb, flags->sampling);
  verb.SetDetails(
      "Each line is what a user says, and the model answers in the form that\n"
      "its chat template asks for. A model without one (and any with --raw)\n"
      "goes on with the text so far as it is. An empty line does nothing; the\n"
      "end of the input (Ctrl-D) ends it.\n\n"
      "Examples:\n"
      "  shoal chat -m MODEL.gguf --local 2 --system 'Answer briefly.'\n"
      "  shoal chat -m MODEL.gguf --raw --stop '\n'");
  verb.SetCheck([flags] {
    SHOAL_RETURN_IF_ERROR(ChooseCluster(flags->where));
    if (flags->model.empty() && flags->where.cluster.empty() &&
        flags->where.coordinator.empty()) {
      return absl::InvalidArgumentError(
          "--model is missing (a GGUF file, or a --cluster that names one)");
    }
    SHOAL_RETURN_IF_ERROR(CheckSystemFlag(flags->system, flags->raw));
    return CheckWhereFlags(flags->where);
  });
  verb.SetRunner([flags] { return Chat(*flags); });
}

}  // namespace shoal::cli
