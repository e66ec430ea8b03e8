// A real sshd on loopback, with keys of its own, as the current user.

#ifndef SHOAL_TESTS_CLI_SSH_SERVER_H_
#define SHOAL_TESTS_CLI_SSH_SERVER_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {

class SshServer {
 public:
  // Where openssh-server of the distribution puts it.
  static constexpr char kProgram[] = "/usr/sbin/sshd";

  // Whoever logs in gets `environment`, too.
  // Errors: kNotFound  no sshd here;  kUnavailable  it does not start
  static absl::StatusOr<std::unique_ptr<SshServer>> Start(
      const std::map<std::string, std::string>& environment);
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  uint16_t port() const { return port_; }

  // Files for ssh -F: one that is let in, and one with a key that is not.
  std::string config() const { return folder_.File("ssh_config"); }
  std::string stranger_config() const { return folder_.File("ssh_stranger"); }
  // With the right key, but without knowing the server's.
  std::string new_host_config() const { return folder_.File("ssh_new_host"); }

 private:
  SshServer() = default;
  absl::Status MakeKeys();
  absl::Status Run(const std::map<std::string, std::string>& environment);
  void WriteClientFiles() const;

  const testing::TemporaryFolder folder_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
  int errors_ = -1;  // kept open: what it says meets no closed pipe
};

}  // namespace shoal::cli

#endif  // SHOAL_TESTS_CLI_SSH_SERVER_H_
