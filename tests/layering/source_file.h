// A source file split into what the rules look at: code, comments, includes.

#ifndef SHOAL_TESTS_LAYERING_SOURCE_FILE_H_
#define SHOAL_TESTS_LAYERING_SOURCE_FILE_H_

#include <string>
#include <vector>

namespace shoal::layering {

struct SourceLine {
  std::string raw;          // as it stands
  std::string code;         // comments removed, the text of literals blanked
  std::string comment;      // the text after // or within /* */
  bool in_literal = false;  // starts inside a raw string literal
};

struct SourceFile {
  std::string path;  // from the repository's root
  std::vector<SourceLine> lines;

  std::string folder() const;     // the first part of the path
  std::string name() const;       // the last part
  std::string directory() const;  // all but the last part, without '/'
  bool EndsWith(const std::string& suffix) const;
};

// C++ for .h, .hpp, .cc and .cpp. In all other files every line is code and a
// '#' or "//" starts a comment.
SourceFile ParseSource(const std::string& path, const std::string& text);

using Tree = std::vector<SourceFile>;

// Every file under the product's folders, tests, cmake and scripts, and the
// CMakeLists.txt of the root; sorted by path. Binary files are left out.
Tree ReadTree(const std::string& root);

}  // namespace shoal::layering

#endif  // SHOAL_TESTS_LAYERING_SOURCE_FILE_H_
