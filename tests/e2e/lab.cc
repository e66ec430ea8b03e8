#include "tests/e2e/lab.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "cli/subprocess.h"

namespace shoal::testing {

absl::StatusOr<std::unique_ptr<Lab>> Lab::Start(int device_count) {
  const char* folder = std::getenv("SHOAL_LAB_DIR");
  if (folder == nullptr || geteuid() != 0) {
    return absl::FailedPreconditionError(
        "needs the lab (SHOAL_LAB_DIR) and root");
  }
  std::unique_ptr<Lab> lab(new Lab(absl::StrCat(folder, "/edgelab")));
  // Others may have one up; names and a subnet of 256 for this process.
  const int number = getpid() % 250;
  lab->name_ = absl::StrCat("newfleet", number);
  lab->prefix_ = absl::StrCat("nf", number, "-");
  lab->network_ = absl::StrCat("10.79.", number, ".");
  const std::string file = lab->folder_.File("lab.conf");
  std::ofstream(file) << "[lab]\nname = " << lab->name_
                      << "\ndevices = " << device_count
                      << "\nprefix = " << lab->prefix_
                      << "\nsubnet = " << lab->network_
                      << "0/24\n[all]\ndelay = 0.15ms\nrate = 1gbit\n";
  const auto up = cli::RunSubprocess({.command = {lab->program_, "up", file},
                                      .silence_max = absl::Seconds(60)});
  if (up.ok() && up->exit_code == 0) return lab;
  return absl::FailedPreconditionError(absl::StrCat(
      "the lab cannot be used here: ",
      up.ok() ? absl::string_view(up->err) : up.status().message()));
}

Lab::~Lab() {
  cli::RunSubprocess({.command = Command({"down"})}).status().IgnoreError();
}

std::vector<std::string> Lab::Command(
    const std::vector<std::string>& words) const {
  std::vector<std::string> command = {program_, "--lab", name_};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

absl::Status Lab::SetLink(int device,
                          const std::vector<std::string>& what) const {
  std::vector<std::string> words = {"link", absl::StrCat(prefix_, device)};
  words.insert(words.end(), what.begin(), what.end());
  const auto set = cli::RunSubprocess(
      {.command = Command(words), .silence_max = absl::Seconds(60)});
  if (!set.ok()) return set.status();
  return set->exit_code == 0 ? absl::OkStatus() : absl::InternalError(set->err);
}

std::string Lab::AddressOf(int device) const {
  return absl::StrCat(network_, device);
}

std::vector<std::string> Lab::Launcher(int device) const {
  return Command({"run", absl::StrCat(prefix_, device), "--"});
}

}  // namespace shoal::testing
