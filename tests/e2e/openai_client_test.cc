// The official client of the OpenAI dialect against `shoal serve`.

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/model_files.h"
#include "tests/testing/shell.h"

namespace shoal::testing {
namespace {

class OpenAiClientTest : public FleetProcessesTest {};

TEST_F(OpenAiClientTest, ChatsStreamsCancelsAndFourGetWhatEachGetsAlone) {
  if (RunShell("node --version").status != 0) {
    GTEST_SKIP() << "there is no node here; scripts/install-deps.sh installs "
                    "it";
  }
  const std::string client = SHOAL_OPENAI_CLIENT;
  ASSERT_TRUE(std::filesystem::exists(client + "/node_modules/openai"))
      << "the client is not in " << client
      << "; scripts/install-test-clients.sh gets it";
  // The demonstration model goes on with what users say.
  const std::string model = cache_.File("story.gguf");
  const absl::Status copied = CopyModelWith(
      StoryModelPath(),
      {{"tokenizer.chat_template",
        std::string("{{ bos_token }}{% for m in messages %}{{ m.content }}"
                    "{% endfor %}")}},
      model);
  ASSERT_TRUE(copied.ok()) << copied;
  std::ofstream(cache_.File("key")) << "secret-of-the-test\n";
  cli::Program service({"serve", "-m", model, "--local", "2", "--http",
                        "127.0.0.1:0", "--api-key-file", cache_.File("key")},
                       Environment());
  ASSERT_TRUE(service.WaitForError("ready: ")) << service.so_far().err;
  const std::string& said = service.so_far().err;
  const std::string url = said.substr(said.find("http://"),
                                      said.find("/v1") - said.find("http://"));
  const ShellResult result = RunShell(
      absl::StrCat("SHOAL_KEY=secret-of-the-test SHOAL_URL=", url,
                   " node --preserve-symlinks-main '", client, "/client.mjs'"));
  EXPECT_EQ(result.status, 0) << result.output << service.so_far().err;
  EXPECT_THAT(result.output, ::testing::HasSubstr("ok: four at once"));
  EXPECT_THAT(service.so_far().err,
              ::testing::Not(::testing::HasSubstr("secret-of-the-test")));
}

}  // namespace
}  // namespace shoal::testing
