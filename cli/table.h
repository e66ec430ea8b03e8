// Columns of text that line up.

#ifndef SHOAL_CLI_TABLE_H_
#define SHOAL_CLI_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace shoal::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> head);

  void AlignRight(size_t column) { right_[column] = true; }

  // REQUIRES: as many cells as the head has.
  void AddRow(std::vector<std::string> cells);

  // A line per row, two spaces between columns.
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the head first
  std::vector<bool> right_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TABLE_H_
