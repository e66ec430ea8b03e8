#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/device.h"
#include "cli/device_examiner.h"
#include "cli/flag_values.h"
#include "cli/operator_flags.h"
#include "cli/store_root.h"
#include "cli/subprocess.h"
#include "cli/support_facts.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;

struct BundleFlags {
  std::string file;
  OperatorFlags where;
  std::string store;
};

// A folder that only this user can read.
absl::StatusOr<std::string> MakeFolder() {
  std::error_code error;
  std::string folder =
      (fs::temp_directory_path(error) / "shoal-support-XXXXXX").string();
  if (!error && mkdtemp(folder.data()) != nullptr) return folder;
  return absl::UnavailableError(absl::StrCat(
      "cannot make ", folder, "; set TMPDIR to a folder with some room"));
}

// By the system's tar: what shoal links, every worker has in memory.
absl::Status Pack(const std::string& folder, const std::string& name,
                  const std::string& file) {
  // Before there is anything in it.
  std::ofstream made(file, std::ios::app);
  if (!made) {
    return absl::UnavailableError(absl::StrCat("cannot write ", file));
  }
  made.close();
  chmod(file.c_str(), S_IRUSR | S_IWUSR);
  const auto packed =
      RunSubprocess({.command = {"tar", "--owner=0", "--group=0", "-czf", file,
                                 "-C", folder, name},
                     .silence_max = absl::Minutes(2)});
  SHOAL_RETURN_IF_ERROR(packed.status());
  if (packed->exit_code == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("tar cannot write ", file, ": ", packed->err));
}

absl::Status MakeBundle(const BundleFlags& flags) {
  const std::string name = absl::StrCat(
      "shoal-support-",
      absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::UTCTimeZone()));
  const std::string file =
      flags.file.empty() ? absl::StrCat(name, ".tar.gz") : flags.file;
  DeviceExamination examination;
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.store));
  examination.store_directory = DeviceStore(root, HostName());
  SupportOptions options;
  options.where = flags.where;
  options.program_version = SHOAL_VERSION;
  options.own_name = HostName();
  options.examine_here = [&] { return ExamineDevice(examination); };
  std::fputs("collecting; the checks take some seconds\n", stderr);
  const auto files = SupportFiles(options);

  SHOAL_ASSIGN_OR_RETURN(const std::string folder, MakeFolder());
  std::error_code error;
  const absl::Cleanup remove = [&] { fs::remove_all(folder, error); };
  fs::create_directory(absl::StrCat(folder, "/", name), error);
  for (const auto& [part, text] : files) {
    const std::string path = absl::StrCat(folder, "/", name, "/", part);
    std::ofstream out(path);
    out << text;
    out.close();
    if (!out) {
      return absl::UnavailableError(absl::StrCat("cannot write ", path));
    }
  }
  SHOAL_RETURN_IF_ERROR(Pack(folder, name, file));
  const auto missing = files.find("missing.txt");
  if (missing != files.end()) {
    std::fprintf(stderr, "not in it:\n%s", missing->second.c_str());
  }
  std::fputs("secrets are left out; look through it before you pass it on\n",
             stderr);
  std::printf("%s\n", file.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddSupportBundleVerb(Command& root) {
  Command& verb =
      root.AddVerb("support-bundle", "Facts for a report, without secrets");
  auto flags = std::make_shared<BundleFlags>();
  verb.AddFlag({.names = "FILE.tar.gz",
                .help = "What to write (shoal-support-TIME.tar.gz)"},
               SetText(&flags->file));
  AddOperatorFlags(verb, flags->where);
  verb.AddFlag({.names = "--store",
                .value = "DIR",
                .help = "The weight store whose disk is checked here"},
               SetText(&flags->store));
  verb.SetDetails(
      "Versions, the cluster file, status, plan, profiles, what shoal doctor\n"
      "finds and the logs of all devices, as one file. Tokens and keys are\n"
      "taken out, and no prompt or answer is in it. Without a coordinator "
      "that\n"
      "answers it holds what there is.\n\n"
      "Example:\n  shoal support-bundle report.tar.gz");
  verb.SetRunner([flags] { return MakeBundle(*flags); });
}

}  // namespace shoal::cli
