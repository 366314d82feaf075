#pragma once

#include <array>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/csv_reader.h"
#include "identity/check.h"

namespace quota::cli {

// Seconds since 1970, perhaps with a fraction (nginx's $msec), or a date as ISO 8601 writes it
// ($time_iso8601). Nothing when it is neither.
std::optional<int64_t> parse_time_us(std::string_view text);

// Recorded requests: comma-separated values under a line of column names.
class TrafficReader {
 public:
  // Reads the names of the columns. `name` stands for the file in messages.
  static absl::StatusOr<TrafficReader> open(std::istream& in, std::string name);

  // False at the end. What next() gave is valid until it is called again.
  absl::StatusOr<bool> next();
  const identity::Check& request() const { return request_; }
  int64_t unix_us() const { return unix_us_; }
  const std::string& name() const { return name_; }
  uint64_t bytes_read() const { return csv_.bytes_read(); }

  // The columns that are understood, with what they are, for --help.
  static std::string columns_help();

 private:
  enum Column { kTime, kPath, kMethod, kConsumer, kTier, kClientIp, kHits, kColumns };
  TrafficReader(std::istream& in, std::string name) : csv_(in), name_(std::move(name)) {}
  absl::Status read_header();
  absl::StatusOr<bool> next_record();
  absl::Status wrong(std::string_view what) const;
  std::string_view value(Column column) const;

  CsvReader csv_;
  std::string name_;
  std::array<std::optional<size_t>, kColumns> at_;
  std::vector<std::string> fields_;
  identity::Check request_;
  std::string address_;
  int64_t unix_us_ = 0;
};

}  // namespace quota::cli
