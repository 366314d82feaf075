#include "cli/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "base/ip.h"

namespace quota::cli {
namespace {

struct Name {
  std::string_view name;
  std::string_view what;
};

// In the order of TrafficReader::Column.
constexpr std::array kNames = {
    Name{"time", "seconds since 1970, or 2026-11-20T12:00:00Z; must be there"},
    Name{"path", "without the query; must be there"},
    Name{"method", "GET unless it says otherwise"},
    Name{"consumer", "its id; empty for an anonymous client"},
    Name{"tier", "overrides the consumer's"},
    Name{"client_ip", "decides for anonymous clients"},
    Name{"hits", "multiplies the cost"},
};

constexpr uint32_t kMostHits = 1'000'000;

// Long before and after any traffic that was ever recorded.
constexpr int64_t kEarliestS = 0;
constexpr int64_t kLatestS = 32'503'680'000;

}  // namespace

std::optional<int64_t> parse_time_us(std::string_view text) {
  if (text.find_first_not_of("0123456789.") == std::string_view::npos) {
    const size_t point = std::min(text.find('.'), text.size());
    int64_t seconds = 0;
    if (!absl::SimpleAtoi(std::string(text.substr(0, point)), &seconds)) return std::nullopt;
    if (seconds < kEarliestS || seconds > kLatestS) return std::nullopt;
    std::string fraction(point < text.size() ? text.substr(point + 1) : "0");
    if (fraction.empty() || fraction.find('.') != std::string::npos) return std::nullopt;
    fraction.resize(6, '0');
    int64_t us = 0;
    if (!absl::SimpleAtoi(fraction, &us)) return std::nullopt;
    return seconds * 1'000'000 + us;
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, std::string(text), &time, &error)) return std::nullopt;
  const int64_t us = absl::ToUnixMicros(time);
  if (us < kEarliestS * 1'000'000 || us > kLatestS * 1'000'000) return std::nullopt;
  return us;
}

std::string TrafficReader::columns_help() {
  std::string text;
  for (const Name& column : kNames) text += fmt::format("  {:<10} {}\n", column.name, column.what);
  return text;
}

absl::StatusOr<TrafficReader> TrafficReader::open(std::istream& in, std::string name) {
  TrafficReader reader(in, std::move(name));
  if (absl::Status status = reader.read_header(); !status.ok()) return status;
  return reader;
}

absl::Status TrafficReader::wrong(std::string_view what) const {
  return absl::InvalidArgumentError(fmt::format("{}: line {}: {}", name_, csv_.line(), what));
}

absl::StatusOr<bool> TrafficReader::next_record() {
  auto there = csv_.next(fields_);
  if (there.ok()) return there;
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", name_, std::string(there.status().message())));
}

absl::Status TrafficReader::read_header() {
  const auto there = next_record();
  if (!there.ok()) return there.status();
  if (!*there) {
    return absl::InvalidArgumentError(fmt::format(
        "{} is empty: the first line must name the columns, for example time,method,path,consumer",
        name_));
  }
  std::string known;
  for (const Name& column : kNames) known += (known.empty() ? "" : ", ") + std::string(column.name);
  for (size_t i = 0; i < fields_.size(); ++i) {
    const auto column = std::ranges::find(kNames, fields_[i], &Name::name);
    if (column == kNames.end()) {
      return wrong(fmt::format("there is no column \"{}\"; the columns are {}", fields_[i], known));
    }
    auto& at = at_[static_cast<size_t>(column - kNames.begin())];
    if (at) return wrong(fmt::format("the column {} is there twice", column->name));
    at = i;
  }
  for (const Column needed : {kTime, kPath}) {
    if (!at_[needed]) {
      return wrong(
          fmt::format("the column {} is missing; the columns are {}", kNames[needed].name, known));
    }
  }
  return absl::OkStatus();
}

std::string_view TrafficReader::value(Column column) const {
  return at_[column] ? std::string_view(fields_[*at_[column]]) : std::string_view();
}

absl::StatusOr<bool> TrafficReader::next() {
  const size_t columns = fields_.size();
  const auto there = next_record();
  if (!there.ok()) return there.status();
  if (!*there) return false;
  if (fields_.size() != columns) {
    return wrong(fmt::format("it has {} fields, and the first line names {} columns",
                             fields_.size(), columns));
  }
  const auto time = parse_time_us(value(kTime));
  if (!time) {
    return wrong(fmt::format("\"{}\" is no time: write seconds since 1970, or 2026-11-20T12:00:00Z",
                             value(kTime)));
  }
  unix_us_ = *time;
  request_.clear();
  request_.path = value(kPath);
  request_.method = value(kMethod).empty() ? "GET" : value(kMethod);
  request_.consumer = value(kConsumer);
  request_.tier = value(kTier);
  if (!value(kClientIp).empty()) {
    const auto address = IpAddress::parse(value(kClientIp));
    if (!address) return wrong(fmt::format("\"{}\" is no IP address", value(kClientIp)));
    address_ = address->bytes();
    request_.client_ip = address_;
  }
  if (!value(kHits).empty() && (!absl::SimpleAtoi(std::string(value(kHits)), &request_.hits) ||
                                request_.hits == 0 || request_.hits > kMostHits)) {
    return wrong(
        fmt::format("\"{}\" is not a number of hits from 1 to {}", value(kHits), kMostHits));
  }
  return true;
}

}  // namespace quota::cli
