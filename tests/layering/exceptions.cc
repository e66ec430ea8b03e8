#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/layering/rules.h"

namespace shoal::layering {
namespace {

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::string ToString(const Finding& finding) {
  std::string text = finding.subject;
  if (finding.line > 0) text += ":" + std::to_string(finding.line);
  return text + ": " + finding.rule + ": " + finding.message;
}

std::vector<Finding> CheckAll(const Tree& tree) {
  std::vector<Finding> all;
  for (const auto check :
       {CheckArrows, CheckLibraries, CheckLengths, CheckHeaders, CheckTodos,
        CheckSleeps, CheckBuildFiles}) {
    std::vector<Finding> findings = check(tree);
    std::move(findings.begin(), findings.end(), std::back_inserter(all));
  }
  return all;
}

std::vector<Finding> ApplyExceptions(std::vector<Finding> findings,
                                     const std::string& exceptions) {
  std::vector<Finding> faults;
  std::istringstream in(exceptions);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line = Trim(line);
    if (line.empty() || line[0] == '#') continue;
    const auto fault = [&](const std::string& message) {
      faults.push_back({"exception", "exceptions.txt", number, message});
    };
    std::vector<std::string> parts;
    std::istringstream fields(line);
    for (std::string part; std::getline(fields, part, '|');) {
      parts.push_back(Trim(part));
    }
    if (parts.size() != 3 || parts[2].empty()) {
      fault("wanted 'rule | subject | reason', found '" + line + "'");
      continue;
    }
    const auto excepted =
        std::remove_if(findings.begin(), findings.end(), [&](const Finding& f) {
          return f.rule == parts[0] && f.subject == parts[1];
        });
    if (excepted == findings.end()) {
      fault("nothing breaks rule " + parts[0] + " at " + parts[1] +
            " any more; remove the line");
    }
    findings.erase(excepted, findings.end());
  }
  findings.insert(findings.end(), faults.begin(), faults.end());
  return findings;
}

}  // namespace shoal::layering
