#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/layering/rules.h"

namespace shoal::layering {
namespace {

using Folders = std::set<std::string>;

// The right column of the table in docs/architecture.md.
const std::map<std::string, Folders>& Arrows() {
  static const auto& arrows = *new std::map<std::string, Folders>{
      {"base", {}},
      {"proto", {}},
      {"security", {"base"}},
      {"kernels", {"base"}},
      {"transport", {"base", "proto", "security"}},
      {"discovery", {"base", "security", "transport"}},
      {"memory", {"base"}},
      {"health", {"base", "memory"}},
      {"parallel", {"base", "kernels", "transport"}},
      {"model", {"base", "kernels", "memory"}},
      {"worker",
       {"base", "proto", "security", "kernels", "transport", "memory", "health",
        "parallel", "model"}},
      {"coordinator",
       {"base", "proto", "security", "kernels", "transport", "memory", "health",
        "parallel", "model"}},
      {"http", {"base", "model", "coordinator"}},
      {"dashboard", {"base", "coordinator", "http"}},
      {"cli",
       {"base", "proto", "security", "kernels", "transport", "memory", "health",
        "parallel", "model", "worker", "coordinator", "http", "dashboard",
        "discovery"}},
  };
  return arrows;
}

struct Library {
  std::string what;
  std::vector<std::string> prefixes;  // of an include's path
  std::vector<std::string> suffixes;
  Folders folders;
};

const std::vector<Library>& Libraries() {
  static const auto& libraries = *new std::vector<Library>{
      {"ZeroMQ", {"zmq"}, {}, {"transport"}},
      {"generated protobuf code and protobuf itself",
       {"google/protobuf/"},
       {".pb.h"},
       {"proto", "transport", "worker", "coordinator", "cli"}},
      {"gRPC",
       {"grpc/", "grpc++/", "grpcpp/"},
       {".grpc.pb.h"},
       {"security", "worker", "coordinator", "cli"}},
      {"cpp-httplib", {"httplib.h"}, {}, {"http", "dashboard"}},
      {"OpenSSL", {"openssl/"}, {}, {"security"}},
      {"the command line parser", {"CLI/", "absl/flags/"}, {}, {"cli"}},
      {"ncurses", {"ncurses", "curses.h"}, {}, {"cli"}},
      {"OpenMP", {"omp.h"}, {}, {"kernels"}},
      {"io_uring", {"liburing"}, {}, {"memory"}},
      {"PCRE2", {"pcre2"}, {}, {"model"}},
      {"spdlog", {"spdlog/"}, {}, {"base"}},
      {"xxHash", {"xxhash"}, {}, {"base"}},
      {"absl::Mutex: use base/mutex.h", {"absl/synchronization/"}, {}, {}},
  };
  return libraries;
}

bool HasPrefix(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

bool HasSuffix(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

struct Include {
  std::string path;
  bool quoted = false;
  int line = 0;
};

std::vector<Include> IncludesOf(const SourceFile& file) {
  std::vector<Include> includes;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const SourceLine& line = file.lines[i];
    if (line.in_literal || !HasPrefix(line.raw, "#include ")) continue;
    const size_t open = line.raw.find_first_of("<\"");
    if (open == std::string::npos) continue;
    const bool quoted = line.raw[open] == '"';
    const size_t close = line.raw.find(quoted ? '"' : '>', open + 1);
    if (close == std::string::npos) continue;
    includes.push_back({line.raw.substr(open + 1, close - open - 1), quoted,
                        static_cast<int>(i) + 1});
  }
  return includes;
}

std::string Join(const Folders& folders) {
  std::string joined;
  for (const std::string& folder : folders) {
    joined += (joined.empty() ? "" : ", ") + folder;
  }
  return joined.empty() ? "none" : joined;
}

// The folders whose rights `file` has: its own, or as a test those of the
// folder it tests.
Folders RightsOf(const SourceFile& file) {
  if (file.folder() != "tests") return {file.folder()};
  const std::string rest = file.path.substr(file.path.find('/') + 1);
  const std::string tested = rest.substr(0, rest.find('/'));
  if (Arrows().count(tested) > 0) return {tested};
  return {"proto", "worker", "coordinator", "cli"};
}

bool Overlap(const Folders& a, const Folders& b) {
  return std::any_of(a.begin(), a.end(),
                     [&b](const std::string& x) { return b.count(x) > 0; });
}

}  // namespace

std::vector<std::string> ProductFolders() {
  return {"base",      "proto",       "security", "kernels",   "transport",
          "discovery", "memory",      "health",   "parallel",  "model",
          "worker",    "coordinator", "http",     "dashboard", "cli"};
}

std::vector<Finding> CheckArrows(const Tree& tree) {
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    const auto arrow = Arrows().find(file.folder());
    for (const Include& include : IncludesOf(file)) {
      const size_t slash = include.path.find('/');
      if (slash == std::string::npos) {
        if (include.quoted) {
          findings.push_back(
              {"arrow", file.path, include.line,
               "\"" + include.path +
                   "\" is not written from the root; write folder/file.h, or "
                   "<...> for a library"});
        }
        continue;
      }
      const std::string to = include.path.substr(0, slash);
      if (arrow == Arrows().end() || to == file.folder()) continue;
      const bool ours = Arrows().count(to) > 0 || to == "tests";
      if (!ours || arrow->second.count(to) > 0) continue;
      findings.push_back({"arrow", file.path, include.line,
                          file.folder() + "/ may not include \"" +
                              include.path +
                              "\"; allowed: " + Join(arrow->second) +
                              ". Move the code or pass it in through an "
                              "interface"});
    }
  }
  return findings;
}

std::vector<Finding> CheckLibraries(const Tree& tree) {
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    const Folders rights = RightsOf(file);
    for (const Include& include : IncludesOf(file)) {
      for (const Library& library : Libraries()) {
        const auto match = [&include](const auto& texts, auto has) {
          return std::any_of(texts.begin(), texts.end(), [&](const auto& text) {
            return has(include.path, text);
          });
        };
        if (!match(library.prefixes, HasPrefix) &&
            !match(library.suffixes, HasSuffix)) {
          continue;
        }
        if (Overlap(rights, library.folders)) continue;
        findings.push_back({"library", file.path, include.line,
                            "\"" + include.path + "\" (" + library.what +
                                ") belongs in: " + Join(library.folders)});
      }
    }
  }
  return findings;
}

}  // namespace shoal::layering
