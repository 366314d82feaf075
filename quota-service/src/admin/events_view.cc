#include "admin/events_view.h"

#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "admin/fields.h"

namespace quota::admin {
namespace {

constexpr uint64_t kMostEvents = 1000;

absl::Status read_number(const std::string& name, const std::string& text, uint64_t most,
                         uint64_t& number) {
  const bool is_plain = text.find_first_not_of("0123456789") == std::string::npos;
  if (is_plain && absl::SimpleAtoi(text, &number) && number <= most) return absl::OkStatus();
  return bad_request("{} must be a whole number from 0 to {}", name, most);
}

}  // namespace

Reply EventsView::get(const Request& request) const {
  events::History::Query query{.newest = true};
  for (const auto& [name, value] : request.query) {
    absl::Status status;
    if (request.query.count(name) > 1) {
      status = bad_request("give each parameter once");
    } else if (name == "after") {
      query.newest = false;
      status = read_number(name, value, std::numeric_limits<int64_t>::max(), query.after);
    } else if (name == "limit") {
      uint64_t limit = 0;
      status = read_number(name, value, kMostEvents, limit);
      query.limit = limit;
    } else if (name == "denied") {
      if (value != "true" && value != "false") status = bad_request("denied must be true or false");
      query.denials_only = value == "true";
    } else if (name == "consumer") {
      query.one_consumer = true;
      query.names = renderer_.names_of(value);
      if (query.names.empty()) {
        status = bad_request("events name no consumer where events_privacy is minimal");
      }
    } else {
      status = bad_request("use after, limit, denied and consumer, and no other parameter");
    }
    if (!status.ok()) return problem(status);
  }
  const events::History::Page page = history_.read(query);
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
