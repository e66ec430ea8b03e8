#include "tests/layering/source_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/layering/rules.h"

namespace shoal::layering {
namespace {

// Walks through C++ text line by line, keeping what spans lines.
class Splitter {
 public:
  SourceLine Split(const std::string& raw) {
    SourceLine line;
    line.raw = raw;
    line.in_literal = state_ == State::kRawString;
    for (size_t i = 0; i < raw.size();) i = Step(raw, i, line);
    if (state_ == State::kLineComment || state_ == State::kString ||
        state_ == State::kChar) {
      state_ = State::kCode;
    }
    return line;
  }

 private:
  enum class State {
    kCode,
    kLineComment,
    kBlockComment,
    kString,
    kChar,
    kRawString
  };

  // Consumes the text at `i` and returns where the next step begins.
  size_t Step(const std::string& raw, size_t i, SourceLine& line) {
    switch (state_) {
      case State::kCode:
        return StepCode(raw, i, line);
      case State::kLineComment:
        line.comment += raw.substr(i);
        return raw.size();
      case State::kBlockComment:
        if (raw.compare(i, 2, "*/") == 0) {
          state_ = State::kCode;
          return i + 2;
        }
        line.comment += raw[i];
        return i + 1;
      case State::kString:
      case State::kChar:
        return StepLiteral(raw, i, line);
      case State::kRawString:
        if (raw.compare(i, raw_end_.size(), raw_end_) == 0) {
          state_ = State::kCode;
          line.code += '"';
          return i + raw_end_.size();
        }
        return i + 1;
    }
    return raw.size();
  }

  size_t StepCode(const std::string& raw, size_t i, SourceLine& line) {
    if (raw.compare(i, 2, "//") == 0) {
      state_ = State::kLineComment;
      return i + 2;
    }
    if (raw.compare(i, 2, "/*") == 0) {
      state_ = State::kBlockComment;
      return i + 2;
    }
    const char c = raw[i];
    const char before = i == 0 ? ' ' : raw[i - 1];
    if (c == '"' && before == 'R') {
      const size_t open = raw.find('(', i);
      if (open == std::string::npos) return raw.size();
      raw_end_ = ")" + raw.substr(i + 1, open - i - 1) + "\"";
      state_ = State::kRawString;
      line.code += '"';
      return open + 1;
    }
    if (c == '"') state_ = State::kString;
    // Between digits it separates thousands.
    if (c == '\'' && !std::isalnum(static_cast<unsigned char>(before))) {
      state_ = State::kChar;
    }
    line.code += c;
    return i + 1;
  }

  size_t StepLiteral(const std::string& raw, size_t i, SourceLine& line) {
    if (raw[i] == '\\') return i + 2;
    const char end = state_ == State::kString ? '"' : '\'';
    if (raw[i] == end) {
      state_ = State::kCode;
      line.code += end;
    }
    return i + 1;
  }

  State state_ = State::kCode;
  std::string raw_end_;
};

SourceLine SplitPlain(const std::string& raw) {
  SourceLine line;
  line.raw = raw;
  size_t begin = raw.find('#');
  const size_t slashes = raw.find("// ");
  if (slashes != std::string::npos) begin = std::min(begin, slashes);
  line.code = raw.substr(0, begin);
  if (begin != std::string::npos) line.comment = raw.substr(begin + 1);
  return line;
}

bool IsCpp(const SourceFile& file) {
  return file.EndsWith(".h") || file.EndsWith(".hpp") || file.EndsWith(".cc") ||
         file.EndsWith(".cpp");
}

}  // namespace

std::string SourceFile::folder() const {
  return path.substr(0, path.find('/'));
}

std::string SourceFile::name() const {
  return path.substr(path.rfind('/') + 1);  // npos + 1 == 0
}

std::string SourceFile::directory() const {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool SourceFile::EndsWith(const std::string& suffix) const {
  return path.size() >= suffix.size() &&
         path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
}

SourceFile ParseSource(const std::string& path, const std::string& text) {
  SourceFile file;
  file.path = path;
  Splitter splitter;
  const bool cpp = IsCpp(file);
  std::istringstream in(text);
  for (std::string raw; std::getline(in, raw);) {
    file.lines.push_back(cpp ? splitter.Split(raw) : SplitPlain(raw));
  }
  return file;
}

Tree ReadTree(const std::string& root) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths = {fs::path(root) / "CMakeLists.txt"};
  std::vector<std::string> folders = ProductFolders();
  folders.insert(folders.end(), {"tests", "cmake", "scripts"});
  for (const std::string& folder : folders) {
    const fs::path start = fs::path(root) / folder;
    if (!fs::is_directory(start)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(start)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  Tree tree;
  for (const fs::path& path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (text.str().find('\0') != std::string::npos) continue;
    tree.push_back(
        ParseSource(fs::relative(path, root).generic_string(), text.str()));
  }
  return tree;
}

}  // namespace shoal::layering
