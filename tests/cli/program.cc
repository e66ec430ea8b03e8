#include "tests/cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

namespace shoal::cli {
namespace {

void MakePipe(int ends[2]) { SHOAL_CHECK(pipe2(ends, O_CLOEXEC) == 0); }

// A file rather than a pipe, so that long input cannot block.
int InputFile(const std::string& text) {
  char name[] = "/tmp/shoal_program_XXXXXX";
  const int file = mkostemp(name, O_CLOEXEC);
  SHOAL_CHECK(file >= 0);
  unlink(name);
  SHOAL_CHECK(write(file, text.data(), text.size()) ==
              static_cast<ssize_t>(text.size()));
  lseek(file, 0, SEEK_SET);
  return file;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments,
                 const ProgramOptions& options) {
  int out[2];
  int err[2];
  MakePipe(out);
  MakePipe(err);
  const int in = InputFile(options.input);
  std::vector<std::string> words = options.launcher;
  words.push_back(SHOAL_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  SHOAL_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(in, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    for (const auto& [name, value] : options.environment) {
      setenv(name.c_str(), value.c_str(), 1);
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(in);
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Program::~Program() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
}

void Program::Signal(int number) { kill(pid_, number); }

bool Program::ReadSome() {
  pollfd fds[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  poll(fds, 2, -1);
  const auto read_one = [](int& fd, std::string& to) {
    char buffer[4096];
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count > 0) {
      to.append(buffer, static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      close(fd);
      fd = -1;
    }
  };
  if (fds[0].revents != 0) read_one(out_, result_.out);
  if (fds[1].revents != 0) read_one(err_, result_.err);
  return true;
}

bool Program::WaitForError(const std::string& text) {
  while (result_.err.find(text) == std::string::npos) {
    if (err_ < 0 || !ReadSome()) return false;
  }
  return true;
}

bool Program::WaitForOutput(const std::string& text) {
  while (result_.out.find(text) == std::string::npos) {
    if (out_ < 0 || !ReadSome()) return false;
  }
  return true;
}

ProgramResult Program::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result_;
}

ProgramResult RunProgram(const std::vector<std::string>& arguments,
                         const ProgramOptions& options) {
  return Program(arguments, options).Wait();
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  std::string text;
  std::getline(file, text);
  std::vector<pid_t> children;
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    pid_t child = 0;
    SHOAL_CHECK(absl::SimpleAtoi(word, &child));
    children.push_back(child);
  }
  return children;
}

}  // namespace shoal::cli
