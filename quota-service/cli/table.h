#pragma once

#include <string>
#include <vector>

namespace quota::cli {

// With "?" for each control character, so that what somebody named a consumer cannot steer a
// terminal.
std::string printable(std::string text);

// Rows of text in columns as wide as their widest cell. Cells are made printable.
class Table {
 public:
  Table() = default;
  explicit Table(std::vector<std::string> header) { add(std::move(header)); }

  void add(std::vector<std::string> row);
  std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace quota::cli
