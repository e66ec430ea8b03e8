#include <cctype>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/layering/rules.h"

namespace shoal::layering {
namespace {

constexpr int kFileLinesMax = 500;
constexpr int kFunctionLinesMax = 70;

bool IsProduct(const SourceFile& file) {
  for (const std::string& folder : ProductFolders()) {
    if (file.folder() == folder) return true;
  }
  return false;
}

// The identifier before the first '(' of a signature.
std::string FunctionName(const std::string& signature) {
  size_t end = signature.find('(');
  if (end == std::string::npos) return "?";
  // A test is named by what stands in the parentheses.
  if (signature.compare(0, 4, "TEST") == 0) {
    const size_t close = signature.find(')', end);
    return signature.substr(end + 1, close - end - 1);
  }
  size_t begin = end;
  while (begin > 0 &&
         (std::isalnum(static_cast<unsigned char>(signature[begin - 1])) ||
          signature[begin - 1] == '_' || signature[begin - 1] == ':' ||
          signature[begin - 1] == '~')) {
    --begin;
  }
  return signature.substr(begin, end - begin);
}

// Follows definitions that begin in column 0: within a namespace the formatter
// indents nothing, so a body ends with a '}' alone in column 0.
class FunctionScanner {
 public:
  // Returns the length of the function that ends in `line`, or 0.
  int Next(const SourceLine& line, int number) {
    const std::string& code = line.code;
    const bool blank = code.find_first_not_of(" \t") == std::string::npos;
    if (line.in_literal || blank || code[0] == '#') {
      if (blank && !in_body_) begin_ = 0;
      return 0;
    }
    if (code[0] == '}') {
      const int length =
          code == "}" && in_body_ && begin_ > 0 ? number - begin_ + 1 : 0;
      in_body_ = false;
      begin_ = 0;
      return length;
    }
    if (in_body_) return 0;
    if (code.compare(0, 9, "namespace") == 0 || code == "extern \"\" {") {
      return 0;
    }
    if (begin_ == 0 && code[0] != ' ') {
      begin_ = number;
      signature_.clear();
    }
    signature_ += code;
    const char last = code[code.find_last_not_of(" \t")];
    if (last == '{') in_body_ = begin_ > 0;
    if (last == ';' || last == '}') begin_ = 0;
    return 0;
  }

  std::string name() const { return FunctionName(signature_); }

 private:
  int begin_ = 0;  // line of the signature; 0 = none
  bool in_body_ = false;
  std::string signature_;
};

bool IsHeader(const SourceFile& file) { return file.EndsWith(".h"); }
bool IsSource(const SourceFile& file) { return file.EndsWith(".cc"); }

std::string GuardOf(const SourceFile& file) {
  std::string guard = "SHOAL_";
  for (const char c : file.path) {
    const auto u = static_cast<unsigned char>(c);
    guard += std::isalnum(u) ? static_cast<char>(std::toupper(u)) : '_';
  }
  return guard + "_";
}

// True if `code` has `word` between blanks, quotes, slashes or parentheses.
bool HasWord(const std::string& code, const std::string& word) {
  size_t at = code.find(word);
  for (; at != std::string::npos; at = code.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool left = at == 0 || std::string(" \t(\"/").find(code[at - 1]) !=
                                     std::string::npos;
    const bool right =
        end == code.size() ||
        std::string(" \t)\"").find(code[end]) != std::string::npos;
    if (left && right) return true;
  }
  return false;
}

// True if a CMakeLists.txt in the file's directory or above names it, by its
// path from there; tests also without the "_test.cc" or ".cc" that
// a loop may add.
bool IsListed(const SourceFile& file, const Tree& tree) {
  for (const SourceFile& list : tree) {
    if (list.name() != "CMakeLists.txt") continue;
    const std::string base =
        list.directory().empty() ? "" : list.directory() + "/";
    if (file.path.compare(0, base.size(), base) != 0) continue;
    const std::string wanted = file.path.substr(base.size());
    const std::string stem = wanted.substr(0, wanted.rfind('.'));
    const std::string tested = stem.substr(0, stem.rfind("_test"));
    for (const SourceLine& line : list.lines) {
      if (HasWord(line.code, wanted)) return true;
      if (file.folder() != "tests") continue;
      if (HasWord(line.code, stem) || HasWord(line.code, tested)) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Finding> CheckLengths(const Tree& tree) {
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    if (!IsHeader(file) && !IsSource(file)) continue;
    const int lines = static_cast<int>(file.lines.size());
    if (lines > kFileLinesMax) {
      findings.push_back({"file-length", file.path, 0,
                          std::to_string(lines) + " lines, allowed " +
                              std::to_string(kFileLinesMax) +
                              "; split it by what it does"});
    }
    FunctionScanner scanner;
    for (int i = 0; i < lines; ++i) {
      const int length = scanner.Next(file.lines[i], i + 1);
      if (length <= kFunctionLinesMax) continue;
      findings.push_back(
          {"function-length", file.path + "#" + scanner.name(), i + 2 - length,
           std::to_string(length) + " lines, allowed " +
               std::to_string(kFunctionLinesMax) + "; take steps out of it"});
    }
  }
  return findings;
}

std::vector<Finding> CheckHeaders(const Tree& tree) {
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    if (!IsHeader(file) || file.lines.empty()) continue;
    if (file.lines[0].raw.compare(0, 3, "// ") != 0) {
      findings.push_back({"first-line", file.path, 1,
                          "a header begins with one sentence, // on what it "
                          "gives you"});
    }
    const std::string guard = GuardOf(file);
    std::set<std::string> missing = {"#ifndef " + guard, "#define " + guard,
                                     "#endif  // " + guard};
    for (const SourceLine& line : file.lines) missing.erase(line.raw);
    for (const std::string& line : missing) {
      findings.push_back({"guard", file.path, 0, "no line '" + line + "'"});
    }
  }
  return findings;
}

std::vector<Finding> CheckTodos(const Tree& tree) {
  static const auto& word = *new std::regex(R"(\bTODO\b)");
  static const auto& numbered = *new std::regex(R"(\bTODO\(#[0-9]+\): )");
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& comment = file.lines[i].comment;
      if (!std::regex_search(comment, word) ||
          std::regex_search(comment, numbered)) {
        continue;
      }
      findings.push_back({"todo", file.path, static_cast<int>(i) + 1,
                          "name its issue, (#123): , or do it now"});
    }
  }
  return findings;
}

std::vector<Finding> CheckSleeps(const Tree& tree) {
  // SleepFor() of a clock that the test holds is what tests should use.
  static const auto& sleeping = *new std::regex(
      R"(\b(sleep_for|sleep_until|usleep|nanosleep|absl::SleepFor)\s*\()"
      R"(|\bReal\(\)\.SleepFor\b|(^|[^\w.>:])(::)?sleep\s*\()");
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    if (file.folder() != "tests") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      if (!std::regex_search(file.lines[i].code, sleeping)) continue;
      findings.push_back({"sleep", file.path, static_cast<int>(i) + 1,
                          "a test waits for an event with a deadline, or holds "
                          "a fake base::Clock"});
    }
  }
  return findings;
}

std::vector<Finding> CheckBuildFiles(const Tree& tree) {
  static const auto& glob = *new std::regex(R"(\bGLOB(_RECURSE)?\b)");
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    const bool header = IsHeader(file) && IsProduct(file);
    if ((IsSource(file) || header) && !IsListed(file, tree)) {
      findings.push_back({"unlisted", file.path, 0,
                          "no CMakeLists.txt names it; add it to that of " +
                              file.directory() + "/ or remove the file"});
    }
    if (file.name() != "CMakeLists.txt" && !file.EndsWith(".cmake")) continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      if (!std::regex_search(file.lines[i].code, glob)) continue;
      findings.push_back({"glob", file.path, static_cast<int>(i) + 1,
                          "list the sources by name"});
    }
  }
  return findings;
}

}  // namespace shoal::layering
