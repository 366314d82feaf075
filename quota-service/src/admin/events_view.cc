#include "admin/events_view.h"

#include <cstdint>
#include <limits>

#include "absl/status/statusor.h"
#include "admin/fields.h"

namespace quota::admin {
namespace {

constexpr int64_t kMostEvents = 1000;

absl::StatusOr<events::History::Query> read_query(const Request& request,
                                                  const events::Renderer& renderer) {
  if (absl::Status status = refuse_unknown_query(request, {"after", "limit", "denied", "consumer"});
      !status.ok()) {
    return status;
  }
  events::History::Query query;
  constexpr int64_t kMostNumber = std::numeric_limits<int64_t>::max();
  const auto after = whole_query(request, "after", 0, kMostNumber, 0);
  if (!after.ok()) return after.status();
  query.newest = !request.query.contains("after");
  query.after = static_cast<uint64_t>(*after);
  const auto limit =
      whole_query(request, "limit", 0, kMostEvents, static_cast<int64_t>(query.limit));
  if (!limit.ok()) return limit.status();
  query.limit = static_cast<size_t>(*limit);
  if (const auto denied = text_query(request, "denied")) {
    if (*denied != "true" && *denied != "false") {
      return bad_request("denied must be true or false");
    }
    query.denials_only = *denied == "true";
  }
  if (const auto consumer = text_query(request, "consumer")) {
    query.one_consumer = true;
    query.names = renderer.names_of(*consumer);
    if (query.names.empty()) {
      return bad_request("events name no consumer where events_privacy is minimal");
    }
  }
  return query;
}

}  // namespace

Reply EventsView::get(const Request& request) const {
  const auto query = read_query(request, renderer_);
  if (!query.ok()) return problem(query.status());
  const events::History::Page page = history_.read(*query);
  // The events are JSON already.
  std::string body =
      fmt::format("{{\"instance\": \"{}\", \"next\": {}, \"missed\": {}, \"events\": [",
                  history_.instance(), page.next, page.missed);
  for (size_t i = 0; i < page.lines.size(); ++i) {
    body.append(i == 0 ? "\n" : ",\n").append(page.lines[i]);
  }
  body.append("]}\n");
  return {
      .status = 200, .content_type = "application/json", .body = std::move(body), .headers = {}};
}

}  // namespace quota::admin
