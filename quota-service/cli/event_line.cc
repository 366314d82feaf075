#include "cli/event_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cli/amounts.h"

namespace quota::cli {
namespace {

std::string plain(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string time_text(int64_t unix_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)), unix_ms % 1000);
}

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
  return plain(std::move(line));
}

}  // namespace quota::cli
