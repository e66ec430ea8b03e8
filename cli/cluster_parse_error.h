// What the parser of protobuf text says about a cluster file, in the words of
// its reader.

#ifndef SHOAL_CLI_CLUSTER_PARSE_ERROR_H_
#define SHOAL_CLI_CLUSTER_PARSE_ERROR_H_

#include <string>
#include <vector>

#include "google/protobuf/io/tokenizer.h"

namespace shoal::cli {

// Keeps the first error as "file:line:column: field: what".
class ClusterParseError final : public google::protobuf::io::ErrorCollector {
 public:
  // `text` is that of the file at `path`.
  ClusterParseError(std::string path, const std::string& text);

  void AddError(int line, int column, const std::string& message) override;

  const std::string& text() const { return text_; }

 private:
  std::string Explain(int line, int column, const std::string& message) const;
  // The field whose value is at the place, or just before it.
  std::string FieldAt(int line, int column) const;

  const std::string path_;
  const std::vector<std::string> lines_;
  std::string text_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_PARSE_ERROR_H_
