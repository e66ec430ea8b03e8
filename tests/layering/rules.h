// The rules of the house that a machine can see, as functions of a source tree.
//
// docs/architecture.md says which folder may include which; the rest are the
// rules on files, functions, comments and tests that follow it there.

#ifndef SHOAL_TESTS_LAYERING_RULES_H_
#define SHOAL_TESTS_LAYERING_RULES_H_

#include <string>
#include <vector>

#include "tests/layering/source_file.h"

namespace shoal::layering {

struct Finding {
  std::string rule;     // "arrow", "library", ...: the word for exceptions.txt
  std::string subject;  // path, or path#Function
  int line = 0;         // from 1; 0 = the whole file
  std::string message;  // what, value, what is allowed, what to do
};

// "path:line: rule: message"
std::string ToString(const Finding& finding);

// From the ground up.
std::vector<std::string> ProductFolders();

// arrow: a folder includes another that is not in its list; or an include that
// is not written from the root.
std::vector<Finding> CheckArrows(const Tree& tree);
// library: ZeroMQ, gRPC, protobuf and the others outside their folders; the
// tests of a folder may what the folder may, integration and e2e tests what
// the control plane may.
std::vector<Finding> CheckLibraries(const Tree& tree);
// file-length: more than 500 lines. function-length: more than 70, from the
// first line of the signature to the closing brace, for definitions that begin
// in column 0.
std::vector<Finding> CheckLengths(const Tree& tree);
// guard: SHOAL_<FOLDER>_<FILE>_H_. first-line: a header begins with a comment.
std::vector<Finding> CheckHeaders(const Tree& tree);
// todo: without (#number).
std::vector<Finding> CheckTodos(const Tree& tree);
// sleep: a test waits by the clock.
std::vector<Finding> CheckSleeps(const Tree& tree);
// unlisted: a .cc, or a header of the product, that no CMakeLists.txt of its
// folder or above names. glob: a CMakeLists.txt that lists by pattern.
std::vector<Finding> CheckBuildFiles(const Tree& tree);

std::vector<Finding> CheckAll(const Tree& tree);

// One line each: "rule | subject | reason"; '#' starts a comment. Takes the
// findings so excepted out and adds one (rule "exception") for every line that
// is malformed, has no reason, or excepts nothing.
std::vector<Finding> ApplyExceptions(std::vector<Finding> findings,
                                     const std::string& exceptions);

}  // namespace shoal::layering

#endif  // SHOAL_TESTS_LAYERING_RULES_H_
