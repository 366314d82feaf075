#pragma once

#include <string>
#include <vector>

namespace quota::cli {

// Rows of text in columns as wide as their widest cell. A cell shows control characters as "?", so
// that what somebody named a consumer cannot steer a terminal.
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
