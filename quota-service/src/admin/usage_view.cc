#include "admin/usage_view.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "admin/amounts.h"
#include "admin/fields.h"
#include "base/time.h"
#include "policy/names.h"

namespace quota::admin {
namespace {

using usage::Month;
using usage::Query;

constexpr int64_t kMostEntries = 1000;

// Empty stands for all clients that are no consumers.
absl::Status check_consumer(const std::string& name, const std::string& value) {
  if (value.empty() || policy::is_consumer_id(value)) return absl::OkStatus();
  return bad_request("{} must be the id of a consumer, or empty for anonymous clients", name);
}

absl::StatusOr<Query> read_query(const Request& request) {
  if (absl::Status status =
          refuse_unknown_query(request, {"month", "consumer", "by", "after", "limit"});
      !status.ok()) {
    return status;
  }
  Query query{.month = Month::of_day(usage::day_at(read_clocks().unix_us))};
  if (const auto month = text_query(request, "month")) {
    const auto parsed = Month::parse(*month);
    if (!parsed) return bad_request("month must be a month such as 2026-11");
    query.month = *parsed;
  }
  const auto by = text_query(request, "by");
  if (by && *by != "day" && *by != "month") return bad_request("by must be day or month");
  query.by_day = by == "day";
  for (const auto& [name, target] :
       {std::pair("consumer", &query.consumer), std::pair("after", &query.after)}) {
    *target = text_query(request, name);
    if (!*target) continue;
    if (absl::Status status = check_consumer(name, **target); !status.ok()) return status;
  }
  const auto limit = whole_query(request, "limit", 1, kMostEntries, kMostEntries);
  if (!limit.ok()) return limit.status();
  query.limit = static_cast<size_t>(*limit);
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
