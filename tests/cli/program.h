// Runs the program as a person does: a process of its own, its output and its
// exit code.

#ifndef SHOAL_TESTS_CLI_PROGRAM_H_
#define SHOAL_TESTS_CLI_PROGRAM_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace shoal::cli {

struct ProgramResult {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string out;
  std::string err;
};

struct ProgramOptions {
  std::string input = {};                               // standard input
  std::map<std::string, std::string> environment = {};  // added to ours
  // Words that run the words after them, on another device, say.
  std::vector<std::string> launcher = {};
};

// A started program; the destructor kills it if it still runs.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments,
                   const ProgramOptions& options = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number);

  // Reads standard error until `text` has come up, or it ends. What was read
  // is part of the result, too.
  bool WaitForError(const std::string& text);
  // The same of standard output.
  bool WaitForOutput(const std::string& text);

  // What the two have read.
  const ProgramResult& so_far() const { return result_; }

  // Reads all output and waits for the end.
  ProgramResult Wait();

 private:
  // Moves what has come into result_; false when both streams have ended.
  bool ReadSome();

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  ProgramResult result_;
};

ProgramResult RunProgram(const std::vector<std::string>& arguments,
                         const ProgramOptions& options = {});

// The processes whose parent is `pid`.
std::vector<pid_t> ChildrenOf(pid_t pid);

}  // namespace shoal::cli

#endif  // SHOAL_TESTS_CLI_PROGRAM_H_
