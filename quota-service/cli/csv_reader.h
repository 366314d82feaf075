#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quota::cli {

// Reads comma-separated values one record at a time, as RFC 4180 describes them: a field in double
// quotes may hold commas, line ends and doubled quotes. A byte order mark at the beginning is left
// out.
class CsvReader {
 public:
  static constexpr size_t kLongestRecord = 1 << 20;

  explicit CsvReader(std::istream& in) : in_(in) {}

  // False at the end. An empty line is no record. An error says in which line it is.
  absl::StatusOr<bool> next(std::vector<std::string>& fields);
  // Where the record that next() gave begins.
  uint64_t line() const { return line_; }
  uint64_t bytes_read() const { return bytes_; }

 private:
  bool read_line();

  std::istream& in_;
  std::string text_;
  uint64_t line_ = 0;
  uint64_t lines_read_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace quota::cli
