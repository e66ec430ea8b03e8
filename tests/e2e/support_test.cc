// shoal logs and shoal support-bundle of a fleet with certificates.

#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/subprocess.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramResult;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr char kPrompt[] = "Xylophonic quokkas hum";

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class SupportTest : public testing::FleetProcessesTest {
 protected:
  void SetUp() override {
    secrets_ = cache_.File("secrets");
    service_ = std::make_unique<Program>(
        std::vector<std::string>{
            "serve", "-m", testing::StoryModelPath(), "--listen", "127.0.0.1:0",
            "--secrets", secrets_, "--expect", "1", "--http", "127.0.0.1:0"},
        Environment());
    address_ = absl::StrCat("127.0.0.1:", testing::ReadWaiting(*service_).port);
    StartWorker();
    ASSERT_TRUE(service_->WaitForError("ready: ")) << service_->so_far().err;
  }
  void StartWorker() {
    worker_ = std::make_unique<Program>(
        std::vector<std::string>{"worker", "--join", address_, "--token-file",
                                 secrets_ + "/token", "--name", "pi"},
        Environment());
  }
  std::vector<std::string> Words(const std::vector<std::string>& verb) const {
    std::vector<std::string> words = verb;
    words.insert(words.end(), {"--coordinator", address_, "--token-file",
                               secrets_ + "/token"});
    return words;
  }
  // What no file may hold: what the fleet keeps secret, line by line, and what
  // somebody asked.
  std::vector<std::string> Secrets() const {
    constexpr size_t kLineMin = 16;
    std::vector<std::string> all = {kPrompt, "quokkas"};
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(cache_.path())) {
      const std::string path = entry.path();
      const bool is_key =
          entry.path().filename().string().find("key") != std::string::npos;
      const bool is_token = entry.path().filename() == "token";
      if (!entry.is_regular_file() || !(is_key || is_token)) continue;
      const std::string text = TextOf(path);
      for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        if (line.size() >= kLineMin && !absl::StartsWith(line, "-----")) {
          all.emplace_back(line);
        }
      }
    }
    return all;
  }

  std::string secrets_;
  std::string address_;
  std::unique_ptr<Program> service_;
  std::unique_ptr<Program> worker_;
};

TEST_F(SupportTest, LogsOfAllDevicesComeInOrderAndGoOnWithWhatIsNew) {
  const ProgramResult all = Run(Words({"logs"}));
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out,
              AllOf(ContainsRegex("pi +I joined .* at 127.0.0.1"),
                    ContainsRegex("I pi joined from"),
                    ContainsRegex("pi +I loading shoal-stories-3m as rank 1")));
  const std::vector<std::string> lines =
      absl::StrSplit(all.out, '\n', absl::SkipEmpty());
  for (size_t i = 1; i < lines.size(); ++i) {
    constexpr size_t kTimeLetters = 23;
    EXPECT_LE(lines[i - 1].substr(0, kTimeLetters),
              lines[i].substr(0, kTimeLetters));
  }
  const ProgramResult of_pi = Run(Words({"logs", "pi", "--json"}));
  for (const absl::string_view line :
       absl::StrSplit(of_pi.out, '\n', absl::SkipEmpty())) {
    EXPECT_EQ(nlohmann::json::parse(line.begin(), line.end())["device"], "pi");
  }
  EXPECT_EQ(Run(Words({"logs", "--level", "error"})).out, "");
  EXPECT_THAT(Run(Words({"logs", "attic"})).err,
              HasSubstr("no device attic in the fleet"));

  Program follow(Words({"logs", "--follow"}), Environment());
  ASSERT_TRUE(follow.WaitForOutput("loading"));
  worker_->Signal(SIGTERM);
  ASSERT_TRUE(follow.WaitForOutput("lost pi")) << follow.so_far().out;
  StartWorker();
  // Of the new process.
  ASSERT_TRUE(follow.WaitForOutput("I serving")) << follow.so_far().out;
  follow.Signal(SIGINT);
  EXPECT_EQ(follow.Wait().exit_code, 0);
}

TEST_F(SupportTest, ABundleHoldsTheFleetsFactsAndNoSecretAndNoPrompt) {
  const ProgramResult told =
      Run(Words({"run", "--raw", "-p", kPrompt, "--max-tokens", "4"}));
  ASSERT_EQ(told.exit_code, 0) << told.err;
  // A file in which somebody has written the token down.
  const std::string token = TextOf(secrets_ + "/token");
  const std::string cluster = cache_.File("fleet.textproto");
  std::ofstream(cluster) << "name: \"home\" listen: \"" << address_
                         << "\" secrets: \"" << secrets_
                         << "\" model { file: \"" << testing::StoryModelPath()
                         << "\" } # " << token;
  const std::string file = cache_.File("report.tar.gz");
  const ProgramResult made =
      Run({"support-bundle", file, "--cluster", cluster});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out, file + "\n");
  struct stat info = {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  const std::string folder = cache_.File("unpacked");
  std::filesystem::create_directory(folder);
  const auto unpacked = cli::RunSubprocess(
      {.command = {"tar", "-xzf", file, "-C", folder, "--strip-components=1"}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  const std::vector<std::string> secrets = Secrets();
  EXPECT_GT(secrets.size(), 6u);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
    const std::string text = TextOf(entry.path());
    for (const std::string& secret : secrets) {
      EXPECT_THAT(text, Not(HasSubstr(secret))) << names.back();
    }
  }
  EXPECT_THAT(names,
              IsSupersetOf({"README.txt", "versions.txt", "cluster.textproto",
                            "status.json", "plan.json", "doctor.json",
                            "doctor-here.json", "logs.txt"}));
  EXPECT_THAT(TextOf(folder + "/cluster.textproto"), HasSubstr("# [removed]"));
  EXPECT_THAT(TextOf(folder + "/logs.txt"), HasSubstr("pi joined from"));
  const auto status = nlohmann::json::parse(TextOf(folder + "/status.json"));
  EXPECT_EQ(status["devices"].size(), 2u);
  const auto doctor = nlohmann::json::parse(TextOf(folder + "/doctor.json"));
  EXPECT_EQ(doctor["devices"].size(), 2u);
}

TEST_F(SupportTest, WithoutACoordinatorABundleSaysWhatIsMissing) {
  const std::string file = cache_.File("report.tar.gz");
  service_->Signal(SIGTERM);
  service_->Wait();
  const ProgramResult made =
      Run({"support-bundle", file, "--coordinator", address_});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("no coordinator answers at " + address_));
  EXPECT_TRUE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace shoal
