#include "cli/usage_text.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "cli/amounts.h"
#include "cli/table.h"
#include "policy/decimal.h"

namespace quota::cli {
namespace {

std::string cost_text(uint64_t milli) {
  return policy::milli_to_string(static_cast<int64_t>(milli));
}

UsageLine total(const UsageReport& report) {
  UsageLine sum;
  for (const UsageLine& line : report.lines) {
    sum.requests += line.requests;
    sum.cost_milli += line.cost_milli;
    sum.denials += line.denials;
  }
  return sum;
}

std::string csv_text(const std::string& text) {
  constexpr std::string_view kFormula = "=+-@\t\r";
  std::string safe = text;
  if (!text.empty() && kFormula.find(text.front()) != std::string_view::npos) safe = "'" + text;
  if (safe.find_first_of(",\"\r\n") == std::string::npos) return safe;
  std::string quoted = "\"";
  for (const char c : safe) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void UsageReport::add(const Json& page) {
  month = page.at("month").get<std::string>();
  is_by_day = page.at("by") == "day";
  for (const Json& entry : page.at("usage")) {
    const Json& consumer = entry.at("consumer");
    lines.push_back(
        {.when = is_by_day ? entry.at("day").get<std::string>() : month,
         .consumer = consumer.is_null() ? std::string() : consumer.get<std::string>(),
         .endpoint = entry.at("endpoint").get<std::string>(),
         .requests = entry.at("requests").get<uint64_t>(),
         .cost_milli = static_cast<uint64_t>(std::llround(entry.at("cost").get<double>() * 1000)),
         .denials = entry.at("denials").get<uint64_t>()});
  }
}

std::string usage_table(const UsageReport& report) {
  Table table(
      {report.is_by_day ? "DAY" : "MONTH", "CONSUMER", "ENDPOINT", "REQUESTS", "COST", "DENIALS"});
  const auto add = [&](const UsageLine& line) {
    table.add({line.when, line.consumer.empty() ? "-" : line.consumer, line.endpoint,
               fmt::to_string(line.requests), cost_text(line.cost_milli),
               fmt::to_string(line.denials)});
  };
  for (const UsageLine& line : report.lines) add(line);
  const UsageLine sum = total(report);
  table.add({"total", "", "", fmt::to_string(sum.requests), cost_text(sum.cost_milli),
             fmt::to_string(sum.denials)});
  return table.to_string();
}

std::string usage_csv(const UsageReport& report) {
  std::string text = fmt::format("{},consumer,endpoint,requests,cost,denials\n",
                                 report.is_by_day ? "day" : "month");
  for (const UsageLine& line : report.lines) {
    text += fmt::format("{},{},{},{},{},{}\n", line.when, csv_text(line.consumer),
                        csv_text(line.endpoint), line.requests, cost_text(line.cost_milli),
                        line.denials);
  }
  return text;
}

Json usage_json(const UsageReport& report) {
  Json lines = Json::array();
  const auto amounts = [](Json json, const UsageLine& line) {
    json["requests"] = line.requests;
    json["cost"] = units(static_cast<int64_t>(line.cost_milli));
    json["denials"] = line.denials;
    return json;
  };
  for (const UsageLine& line : report.lines) {
    Json json = {{"consumer", line.consumer.empty() ? Json() : Json(line.consumer)},
                 {"endpoint", line.endpoint}};
    if (report.is_by_day) json["day"] = line.when;
    lines.push_back(amounts(std::move(json), line));
  }
  return {{"month", report.month},
          {"by", report.is_by_day ? "day" : "month"},
          {"usage", std::move(lines)},
          {"total", amounts(Json::object(), total(report))}};
}

}  // namespace quota::cli
