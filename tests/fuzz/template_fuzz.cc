// Fuzz target: parsing and rendering a chat template.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "model/chat_template.h"
#include "model/jinja_evaluator.h"

namespace {

using shoal::model::ChatInput;
using shoal::model::ChatTemplate;

void CheckStatus(const absl::Status& status) {
  SHOAL_CHECK(absl::IsInvalidArgument(status) ||
                  absl::IsUnimplemented(status) ||
                  absl::IsResourceExhausted(status),
              status.ToString());
  SHOAL_CHECK(status.message().substr(0, 20) == "chat template: line ",
              status.ToString());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  const auto chat_template = ChatTemplate::Parse(source);
  if (!chat_template.ok()) {
    CheckStatus(chat_template.status());
    return 0;
  }
  ChatInput input;
  input.messages = {{"system", "Be brief."},
                    {"user",
                     " Gr\xc3\xb6\xc3\x9f"
                     "e \xe6\xb0\xb4\n"},
                    {"assistant", "<think>\nx\n</think>\n\nHello"},
                    {"user", "bad \xff\xc3 bytes"}};
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.now = absl::UnixEpoch();
  const auto text = chat_template->Render(input);
  if (!text.ok()) {
    CheckStatus(text.status());
  } else {
    SHOAL_CHECK(text->size() <=
                shoal::model::jinja::Evaluator::kOutputBytesMax);
    // No state stays behind.
    SHOAL_CHECK(chat_template->Render(input).value() == *text);
  }
  return 0;
}
