#include "tests/cli/ssh_server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cli/subprocess.h"
#include "tests/testing/free_port.h"

namespace shoal::cli {
namespace {

constexpr int kAttemptsMax = 5;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

absl::Status SshServer::MakeKeys() {
  for (const char* name : {"host_key", "key", "strange_key"}) {
    SHOAL_ASSIGN_OR_RETURN(
        const SubprocessResult made,
        RunSubprocess({.command = {"ssh-keygen", "-q", "-t", "ed25519", "-N",
                                   "", "-f", folder_.File(name)}}));
    if (made.exit_code != 0) return absl::UnavailableError(made.err);
  }
  std::filesystem::copy_file(folder_.File("key.pub"),
                             folder_.File("authorized_keys"));
  return absl::OkStatus();
}

void SshServer::WriteClientFiles() const {
  std::ofstream(folder_.File("known_hosts"))
      << "[127.0.0.1]:" << port_ << " "
      << Contents(folder_.File("host_key.pub"));
  std::ofstream(folder_.File("no_hosts"));
  const auto write = [&](const std::string& path, const char* key,
                         const char* hosts) {
    std::ofstream(path) << "IdentityFile " << folder_.File(key)
                        << "\nIdentitiesOnly yes\nIdentityAgent none\n"
                        << "UserKnownHostsFile " << folder_.File(hosts)
                        << "\nGlobalKnownHostsFile /dev/null\n"
                        << "StrictHostKeyChecking yes\n";
  };
  write(config(), "key", "known_hosts");
  write(stranger_config(), "strange_key", "known_hosts");
  write(new_host_config(), "key", "no_hosts");
}

absl::Status SshServer::Run(
    const std::map<std::string, std::string>& environment) {
  port_ = testing::FreePort();
  std::ofstream config(folder_.File("sshd_config"));
  config << "Port " << port_ << "\nListenAddress 127.0.0.1\nHostKey "
         << folder_.File("host_key") << "\nAuthorizedKeysFile "
         << folder_.File("authorized_keys")
         << "\nPidFile none\nUsePAM no\nStrictModes no\n"
         << "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
         << "KbdInteractiveAuthentication no\n";
  if (!environment.empty()) config << "SetEnv";
  for (const auto& [name, value] : environment) {
    config << " " << name << "=" << value;
  }
  config << "\n";
  config.close();
  int errors[2];
  SHOAL_CHECK(pipe2(errors, O_CLOEXEC) == 0);
  pid_ = fork();
  SHOAL_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(errors[1], STDERR_FILENO);
    // By its full path, which it asks for.
    execl(kProgram, kProgram, "-D", "-e", "-f",
          folder_.File("sshd_config").c_str(), nullptr);
    _exit(127);
  }
  close(errors[1]);
  std::string said;
  char bytes[512];
  ssize_t count = 0;
  while (!absl::StrContains(said, "Server listening") &&
         (count = read(errors[0], bytes, sizeof(bytes))) > 0) {
    said.append(bytes, static_cast<size_t>(count));
  }
  // What it says later goes nowhere, but must not block or end it.
  const bool listening = absl::StrContains(said, "Server listening");
  if (listening) {
    errors_ = errors[0];
    return absl::OkStatus();
  }
  close(errors[0]);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  return absl::UnavailableError(absl::StrCat("sshd did not start: ", said));
}

absl::StatusOr<std::unique_ptr<SshServer>> SshServer::Start(
    const std::map<std::string, std::string>& environment) {
  if (access(kProgram, X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat(kProgram, " is not here; install openssh-server"));
  }
  // As its service does before the start.
  if (geteuid() == 0) mkdir("/run/sshd", 0755);
  std::unique_ptr<SshServer> server(new SshServer);
  SHOAL_RETURN_IF_ERROR(server->MakeKeys());
  absl::Status started;
  for (int i = 0; i < kAttemptsMax; ++i) {
    // Again if somebody took the port meanwhile.
    started = server->Run(environment);
    if (started.ok()) break;
  }
  SHOAL_RETURN_IF_ERROR(started);
  server->WriteClientFiles();
  return server;
}

SshServer::~SshServer() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  if (errors_ >= 0) close(errors_);
}

}  // namespace shoal::cli
