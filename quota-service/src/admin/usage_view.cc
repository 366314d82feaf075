#include "admin/usage_view.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "admin/amounts.h"
#include "admin/fields.h"
#include "base/time.h"
#include "policy/names.h"

namespace quota::admin {
namespace {

using usage::Month;
using usage::Query;

constexpr int kMostEntries = 1000;

// The names are checked, so that a misspelt one does not pass for none at all.
absl::StatusOr<std::optional<std::string>> parameter(const Request& request,
                                                     const std::string& name) {
  const auto [first, end] = request.query.equal_range(name);
  if (first == end) return std::optional<std::string>();
  if (std::next(first) != end) return bad_request("{} is given twice; give it once", name);
  return std::optional<std::string>(first->second);
}

absl::Status refuse_unknown_parameters(const Request& request) {
  for (const auto& [name, value] : request.query) {
    const bool is_known =
        name == "month" || name == "consumer" || name == "by" || name == "after" || name == "limit";
    if (!is_known) {
      return bad_request(
          "usage is asked for with month, consumer, by, after and limit, nothing else");
    }
  }
  return absl::OkStatus();
}

// Empty stands for all clients that are no consumers.
absl::Status check_consumer(const std::string& name, const std::string& value) {
  if (value.empty() || policy::is_consumer_id(value)) return absl::OkStatus();
  return bad_request("{} must be the id of a consumer, or empty for anonymous clients", name);
}

absl::StatusOr<Query> read_query(const Request& request) {
  if (absl::Status status = refuse_unknown_parameters(request); !status.ok()) return status;
  Query query{.month = Month::of_day(usage::day_at(read_clocks().unix_us))};
  const auto month = parameter(request, "month");
  if (!month.ok()) return month.status();
  if (*month) {
    const auto parsed = Month::parse(**month);
    if (!parsed) return bad_request("month must be a month such as 2026-11");
    query.month = *parsed;
  }
  const auto by = parameter(request, "by");
  if (!by.ok()) return by.status();
  if (*by && **by != "day" && **by != "month") return bad_request("by must be day or month");
  query.by_day = *by == "day";
  for (const auto& [name, target] :
       {std::pair("consumer", &query.consumer), std::pair("after", &query.after)}) {
    auto value = parameter(request, name);
    if (!value.ok()) return value.status();
    if (!*value) continue;
    if (absl::Status status = check_consumer(name, **value); !status.ok()) return status;
    *target = **std::move(value);
  }
  const auto limit = parameter(request, "limit");
  if (!limit.ok()) return limit.status();
  query.limit = kMostEntries;
  if (*limit) {
    int number = 0;
    if (!absl::SimpleAtoi(**limit, &number) || number < 1 || number > kMostEntries) {
      return bad_request("limit must be a whole number from 1 to {}", kMostEntries);
    }
    query.limit = static_cast<size_t>(number);
  }
  return query;
}

Json entry_json(const usage::Entry& entry, bool by_day) {
  Json json = {{"consumer", entry.key.consumer.empty() ? Json() : Json(entry.key.consumer)},
               {"endpoint", entry.key.endpoint}};
  if (by_day) json["day"] = usage::day_text(entry.key.day);
  json["requests"] = entry.amount.requests;
  json["cost"] = units(static_cast<int64_t>(entry.amount.cost_milli));
  json["denials"] = entry.amount.denials;
  return json;
}

}  // namespace

Reply usage_reply(const Request& request, usage::UsageStore* usage) {
  const auto query = read_query(request);
  if (!query.ok()) return problem(query.status());
  if (usage == nullptr) {
    return problem(404, "this quotad keeps no usage; its setting usage is off");
  }
  auto page = usage->read(*query);
  if (!page.ok()) {
    // Whatever the reason, it is the store's.
    return problem(503, std::string(page.status().message()));
  }
  Json entries = Json::array();
  for (const usage::Entry& entry : page->entries) {
    entries.push_back(entry_json(entry, query->by_day));
  }
  return json_reply({{"month", query->month.text()},
                     {"by", query->by_day ? "day" : "month"},
                     {"usage", std::move(entries)},
                     {"next", page->next ? Json(*page->next) : Json()}});
}

}  // namespace quota::admin
