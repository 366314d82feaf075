#include "problem.h"

#include <ctime>

#include <cinttypes>
#include <cstdio>

namespace quota {
namespace {

constexpr std::string_view kQuotaExceeded =
    "https://iana.org/assignments/http-problem-types#quota-exceeded";
constexpr std::string_view kReducedCapacity =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// How many bytes at the start of `text` are one valid UTF-8 character; 0 if there is none.
size_t utf8_length(std::string_view text) {
  auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF.
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// An amount of cost units: 1500 thousandths are "1.5".
std::string units(uint64_t milli) {
  std::string text = std::to_string(milli / 1000);
  if (milli % 1000 == 0) return text;
  char fraction[8];
  std::snprintf(fraction, sizeof(fraction), ".%03u", static_cast<unsigned>(milli % 1000));
  text += fraction;
  while (text.back() == '0') text.pop_back();
  return text;
}

std::string count(uint64_t number, std::string_view noun) {
  std::string text = std::to_string(number);
  text.append(" ").append(noun);
  if (number != 1) text += 's';
  return text;
}

std::string in_seconds(uint64_t seconds) {
  return "Try again in " + count(seconds, "second") + ".";
}

std::string window_name(uint64_t seconds) {
  switch (seconds) {
    case 0:
    case 60:
      return "minute";
    case 1:
      return "second";
    case 3600:
      return "hour";
    case 86400:
      return "day";
    default:
      return count(seconds, "second");
  }
}

std::string utc(int64_t unix_ms) {
  const auto time = static_cast<time_t>(unix_ms / 1000 + (unix_ms % 1000 > 0 ? 1 : 0));
  tm parts{};
  char text[64];
  if (gmtime_r(&time, &parts) == nullptr ||
      std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
    return "its next period";
  }
  return text;
}

std::string of_tier(const Verdict& verdict) {
  if (verdict.tier.empty()) return {};
  return " of the " + std::string(verdict.tier) + " tier";
}

// Says what this request costs where that is not obvious.
std::string cost_clause(const Verdict& verdict) {
  if (verdict.cost_milli == 0 || verdict.cost_milli == 1000) return {};
  return ", and this request costs " + units(verdict.cost_milli);
}

std::string used_up(const Verdict& verdict, const Limit& limit, const std::string& period) {
  std::string_view how_much = "You have used the ";
  // A dear request may be refused while there is something left.
  if (limit.remaining != 0) how_much = "You have nearly used the ";
  return std::string(how_much) + count(limit.limit, "unit") + " per " + period + of_tier(verdict) +
         cost_clause(verdict) + ". ";
}

std::string detail_of(const Verdict& verdict, uint64_t retry_after_s) {
  if (verdict.reason == "minute" && verdict.minute) {
    return used_up(verdict, *verdict.minute, window_name(verdict.minute->window_s)) +
           in_seconds(retry_after_s);
  }
  if (verdict.reason == "month" && verdict.month) {
    return used_up(verdict, *verdict.month, "month") + "It is renewed at " +
           utc(verdict.month->reset_unix_ms) + ".";
  }
  if (verdict.reason == "cost_exceeds_limit") {
    return "This request costs " + units(verdict.cost_milli) + " units, more than the limit" +
           of_tier(verdict) + " can ever hold.";
  }
  if (verdict.reason == "capacity") {
    return "Too many clients are asking at the moment. " + in_seconds(retry_after_s);
  }
  if (verdict.reason == "store_unavailable") {
    return "Your quota cannot be looked up at the moment. " + in_seconds(retry_after_s);
  }
  return "Your quota does not allow this request. " + in_seconds(retry_after_s);
}

std::string problem(std::string_view type, std::string_view title, unsigned status,
                    std::string_view detail, std::string_view more = {}) {
  std::string body = "{\"type\":" + json_string(type) + ",\"title\":" + json_string(title) +
                     ",\"status\":" + std::to_string(status) + ",\"detail\":" + json_string(detail);
  body.append(more).append("}\n");
  return body;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      out += kReplacement;
    } else if (c == '"' || c == '\\') {
      out.append(1, '\\').append(1, c);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
  return out;
}

std::string quota_problem(unsigned status, const Verdict& verdict, uint64_t retry_after_s) {
  std::string more = ",\"violated-policies\":[";
  if (verdict.reason == "minute" || verdict.reason == "month") more += json_string(verdict.reason);
  more += "]";
  if (!verdict.tier.empty()) more += ",\"tier\":" + json_string(verdict.tier);
  if (!verdict.endpoint.empty()) more += ",\"endpoint\":" + json_string(verdict.endpoint);
  return problem(kQuotaExceeded, "Quota exceeded", status, detail_of(verdict, retry_after_s), more);
}

std::string unauthenticated_problem(unsigned status) {
  return problem("about:blank", "Unauthorized", status,
                 "The credentials of this request are not known. Check the API key or token.");
}

std::string unavailable_problem(unsigned status, uint64_t retry_after_s) {
  return problem(kReducedCapacity, "Temporarily reduced capacity", status,
                 "Your quota cannot be looked up at the moment. " + in_seconds(retry_after_s));
}

std::string local_limit_problem(unsigned status, uint64_t retry_after_s) {
  return problem(kQuotaExceeded, "Quota exceeded", status,
                 "Your quota cannot be looked up at the moment, and your address has used what "
                 "it may until then. " +
                     in_seconds(retry_after_s),
                 ",\"violated-policies\":[\"local\"]");
}

}  // namespace quota
