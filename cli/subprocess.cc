#include "cli/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::cli {
namespace {

constexpr size_t kOutputBytesMax = size_t{1} << 20;
constexpr size_t kPieceBytes = size_t{64} << 10;

// Closes itself.
class File {
 public:
  explicit File(int file = -1) : file_(file) {}
  ~File() { Close(); }
  File(File&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  File& operator=(File&& other) noexcept {
    Close();
    file_ = std::exchange(other.file_, -1);
    return *this;
  }

  void Close() {
    if (file_ >= 0) close(file_);
    file_ = -1;
  }
  int get() const { return file_; }

 private:
  int file_;
};

struct Pipe {
  File read;
  File write;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  return Pipe{File(ends[0]), File(ends[1])};
}

// Starts the program with three files as its standard ones.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int in,
                            int out, int err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (const std::string& word : command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == 0) return pid;
  const std::string text = absl::StrCat(command[0], ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

// Moves bytes between the program and us.
class Exchange {
 public:
  Exchange(const SubprocessOptions& options, File source, File in, File out,
           File err)
      : options_(options),
        source_(std::move(source)),
        in_(std::move(in)),
        out_(std::move(out)),
        err_(std::move(err)),
        piece_(options.input_file.empty() ? options.input : "") {
    fcntl(in_.get(), F_SETFL, O_NONBLOCK);
  }

  // Until both outputs have ended.
  absl::Status Run(SubprocessResult& result) {
    while (out_.get() >= 0 || err_.get() >= 0) {
      if (in_.get() >= 0) Refill();
      pollfd files[3] = {{in_.get(), POLLOUT, 0},
                         {out_.get(), POLLIN, 0},
                         {err_.get(), POLLIN, 0}};
      const int count = poll(
          files, 3,
          static_cast<int>(absl::ToInt64Milliseconds(options_.silence_max)));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        return absl::DeadlineExceededError(
            absl::StrCat("nothing happened for ",
                         absl::FormatDuration(options_.silence_max)));
      }
      if (files[0].revents != 0) Feed();
      if (files[1].revents != 0) Take(out_, result.out);
      if (files[2].revents != 0) Take(err_, result.err);
    }
    return absl::OkStatus();
  }

 private:
  // The next piece of the file; closes the input at its end.
  void Refill() {
    if (sent_ < piece_.size()) return;
    sent_ = 0;
    piece_.clear();
    if (source_.get() >= 0) {
      piece_.resize(kPieceBytes);
      const ssize_t count = read(source_.get(), piece_.data(), kPieceBytes);
      piece_.resize(count > 0 ? static_cast<size_t>(count) : 0);
    }
    if (piece_.empty()) in_.Close();
  }

  void Feed() {
    const ssize_t count =
        write(in_.get(), piece_.data() + sent_, piece_.size() - sent_);
    if (count < 0) {
      // It does not want the rest; its exit code tells why.
      if (errno != EAGAIN && errno != EINTR) in_.Close();
      return;
    }
    sent_ += static_cast<size_t>(count);
    total_ += static_cast<uint64_t>(count);
    if (options_.on_progress) options_.on_progress(total_);
  }

  static void Take(File& file, std::string& to) {
    std::array<char, 4096> bytes;
    const ssize_t count = read(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) {
      file.Close();
    } else if (to.size() < kOutputBytesMax) {
      to.append(bytes.data(), static_cast<size_t>(count));
    }
  }

  const SubprocessOptions& options_;
  File source_;
  File in_;
  File out_;
  File err_;
  std::string piece_;
  size_t sent_ = 0;  // of the piece
  uint64_t total_ = 0;
};

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(
    const SubprocessOptions& options) {
  File source;
  if (!options.input_file.empty()) {
    source = File(open(options.input_file.c_str(), O_RDONLY | O_CLOEXEC));
    if (source.get() < 0) {
      return absl::NotFoundError(
          absl::StrCat(options.input_file, ": ", std::strerror(errno)));
    }
  }
  SHOAL_ASSIGN_OR_RETURN(Pipe in, MakePipe());
  SHOAL_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  SHOAL_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  SHOAL_ASSIGN_OR_RETURN(
      const pid_t pid,
      Spawn(options.command, in.read.get(), out.write.get(), err.write.get()));
  in.read.Close();
  out.write.Close();
  err.write.Close();
  SubprocessResult result;
  Exchange exchange(options, std::move(source), std::move(in.write),
                    std::move(out.read), std::move(err.read));
  const absl::Status status = exchange.Run(result);
  if (!status.ok()) kill(pid, SIGKILL);
  int code = 0;
  while (waitpid(pid, &code, 0) < 0 && errno == EINTR) {
  }
  SHOAL_RETURN_IF_ERROR(status);
  result.exit_code = WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
  return result;
}

}  // namespace shoal::cli
