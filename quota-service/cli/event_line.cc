#include "cli/event_line.h"

#include <fmt/format.h>

#include <utility>

#include "cli/amounts.h"
#include "cli/table.h"
#include "cli/time_text.h"

namespace quota::cli {
namespace {

std::string left(const Json& event, const char* of) {
  const std::string name = std::string(of) + "_remaining";
  return event.contains(name) ? amount(event.at(name)) : "-";
}

}  // namespace

std::string event_line(const Json& event) {
  const std::string kind = event.at("kind");
  const std::string outcome = event.value("shadow", false) ? "shadow" : event.at("outcome");
  std::string line = fmt::format(
      "{} {:<12} {} {} {} {} cost {} left {}/{} {}", time_text(event.at("time_unix_ms")),
      kind == "decision" ? outcome : kind, event.value("consumer", "-"), event.value("tier", "-"),
      event.value("method", "-"), event.value("path", event.value("endpoint", "-")),
      amount(event.at("cost")), left(event, "minute"), left(event, "month"),
      event.at("reason").get<std::string>());
  if (event.contains("trace_id")) line += " " + event.at("trace_id").get<std::string>();
  return printable(std::move(line));
}

}  // namespace quota::cli
