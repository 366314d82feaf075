#include "rls/answer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "problem.h"
#include "rate_headers.h"
#include "wire_writer.h"

namespace quota::rls {
namespace {

using engine::LimitState;
using engine::Outcome;
using engine::Reason;

// Field numbers and values of envoy.service.ratelimit.v3.RateLimitResponse.
constexpr uint32_t kOverallCode = 1;
constexpr uint32_t kStatuses = 2;
constexpr uint32_t kResponseHeaders = 3;
constexpr uint32_t kRawBody = 5;
constexpr uint32_t kCode = 1;                // of a status
constexpr uint32_t kCurrentLimit = 2;        // of a status
constexpr uint32_t kLimitRemaining = 3;      // of a status
constexpr uint32_t kDurationUntilReset = 4;  // of a status
constexpr uint32_t kRequestsPerUnit = 1;     // of a limit
constexpr uint32_t kUnit = 2;                // of a limit
constexpr uint32_t kLimitName = 3;           // of a limit
constexpr uint32_t kSeconds = 1;             // of a duration
constexpr uint32_t kHeaderKey = 1;
constexpr uint32_t kHeaderValue = 2;
enum Code : int32_t { kOk = 1, kOverLimit = 2 };
enum Unit : int32_t { kMinuteUnit = 2, kMonthUnit = 5 };

// What Envoy answers with unless its rate_limited_status says otherwise.
constexpr unsigned kStatus = 429;
constexpr uint64_t kRetryUndecidedS = 1;
constexpr uint32_t kEndless = std::numeric_limits<uint32_t>::max();

bool is_refused(const Verdict& verdict) {
  return verdict.decision.outcome == Outcome::kDenied ||
         verdict.decision.outcome == Outcome::kUnauthenticated;
}

uint32_t whole_units(int64_t milli) {
  return static_cast<uint32_t>(std::clamp<int64_t>(milli / 1000, 0, kEndless));
}

// The limit that refused the request, else the one with less left; null when there is none.
const LimitState* tightest(const engine::Decision& decision) {
  const LimitState* const minute = decision.minute.limit < 0 ? nullptr : &decision.minute;
  const LimitState* const month = decision.month.limit < 0 ? nullptr : &decision.month;
  if (minute == nullptr || month == nullptr) return minute != nullptr ? minute : month;
  if (decision.reason == Reason::kMinute) return minute;
  if (decision.reason == Reason::kMonth) return month;
  return month->remaining < minute->remaining ? month : minute;
}

void write_status(WireWriter& answer, const Verdict& verdict, int64_t unix_us) {
  const engine::Decision& decision = verdict.decision;
  const WireWriter::Nested status(answer, kStatuses);
  answer.number(kCode, is_refused(verdict) ? kOverLimit : kOk);
  const LimitState* const limit = tightest(decision);
  if (limit == nullptr) {
    if (decision.reason == Reason::kUnlimited) answer.number(kLimitRemaining, kEndless);
    return;
  }
  const bool is_month = limit == &decision.month;
  {
    const WireWriter::Nested current(answer, kCurrentLimit);
    answer.number(kRequestsPerUnit, whole_units(limit->limit));
    answer.number(kUnit, is_month ? kMonthUnit : kMinuteUnit);
    answer.bytes(kLimitName, is_month ? "month" : "minute");
  }
  answer.number(kLimitRemaining, whole_units(limit->remaining));
  // Milliseconds, as the headers go by.
  const int64_t until_ms = std::max<int64_t>(limit->reset_unix_us / 1000 - unix_us / 1000, 0);
  const WireWriter::Nested duration(answer, kDurationUntilReset);
  answer.number(kSeconds, static_cast<uint64_t>((until_ms + 999) / 1000));
}

// Whose verdict the client is told: of those refused the one that lasts longest, where no waiting
// helps who is not known; else the one with the least left.
const Verdict& most_telling(std::span<const Verdict> verdicts) {
  const auto rank = [](const Verdict& verdict) {
    if (verdict.decision.outcome == Outcome::kUnauthenticated) {
      return std::numeric_limits<int64_t>::min();
    }
    if (is_refused(verdict)) return -1 - verdict.decision.retry_after_us;
    const LimitState* const limit = tightest(verdict.decision);
    return limit == nullptr ? std::numeric_limits<int64_t>::max() : limit->remaining;
  };
  return *std::ranges::min_element(verdicts, {}, rank);
}

std::optional<quota::Limit> to_limit(const LimitState& state) {
  if (state.limit < 0) return std::nullopt;
  return quota::Limit{.limit = static_cast<uint64_t>(state.limit / 1000),
                      .remaining = static_cast<uint64_t>(state.remaining / 1000),
                      .reset_unix_ms = state.reset_unix_us / 1000,
                      .window_s = static_cast<uint64_t>(state.window_s)};
}

// As the nginx module gets it from quota.v1.Verdict.
quota::Verdict as_the_module_sees(const Verdict& verdict) {
  quota::Verdict seen;
  seen.outcome = static_cast<quota::VerdictOutcome>(verdict.decision.outcome);
  seen.reason = engine::to_string(verdict.decision.reason);
  seen.tier = verdict.tier;
  seen.endpoint = verdict.endpoint;
  seen.cost_milli = static_cast<uint64_t>(verdict.cost_milli);
  seen.minute = to_limit(verdict.decision.minute);
  seen.month = to_limit(verdict.decision.month);
  seen.retry_after_ms = rpc::retry_after_ms(verdict.decision.retry_after_us);
  return seen;
}

// What all but headers and body takes at most: nine fields of a status, of which one is a name.
constexpr size_t kMostOfAStatus = 9 * WireWriter::kMostOfAField + 8;

// Headers and the body, and what they take.
class Words {
 public:
  Words() : headers_(text_) {}
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  RateHeaders& headers() { return headers_; }
  void set_body(std::string body) { body_ = std::move(body); }

  size_t most_bytes() const {
    size_t most = kOverhead + body_.size() + kBodyType.name.size() + kBodyType.value.size();
    for (const Header& header : headers_.get()) {
      most += kOverhead + header.name.size() + header.value.size();
    }
    return most;
  }

  void write(WireWriter& answer) const {
    for (const Header& header : headers_.get()) write(answer, header);
    if (body_.empty()) return;
    write(answer, kBodyType);
    answer.bytes(kRawBody, body_);
  }

 private:
  static constexpr Header kBodyType{"Content-Type", "application/problem+json"};
  static constexpr size_t kOverhead = 4 * WireWriter::kMostOfAField;

  static void write(WireWriter& answer, const Header& header) {
    const WireWriter::Nested message(answer, kResponseHeaders);
    answer.bytes(kHeaderKey, header.name);
    answer.bytes(kHeaderValue, header.value);
  }

  std::array<char, RateHeaders::kTextBytes> text_ = {};
  RateHeaders headers_;
  std::string body_;
};

void choose_words(Words& words, const quota::Verdict& told, bool refused, const Options& options,
                  int64_t unix_us) {
  RateHeaders& headers = words.headers();
  if (options.headers != HeaderStyle::kOff) {
    if (options.headers != HeaderStyle::kIetf) headers.add_legacy(told);
    if (options.headers != HeaderStyle::kLegacy) headers.add_ietf(told, unix_us / 1000);
    headers.add_tier(told.tier);
  }
  if (!refused) return;
  const bool is_known = told.outcome != VerdictOutcome::kUnauthenticated;
  const uint64_t retry_s = std::max<uint64_t>((uint64_t{told.retry_after_ms} + 999) / 1000, 1);
  headers.add("Cache-Control", "no-store");
  if (is_known) {
    headers.add_retry_after(retry_s);
  } else {
    headers.add("WWW-Authenticate", "Bearer");
  }
  if (!options.body) return;
  words.set_body(is_known ? quota_problem(kStatus, told, retry_s)
                          : unauthenticated_problem(kStatus));
}

}  // namespace

void Verdict::set(const rpc::VerdictFacts& facts, const engine::Decision& decided) {
  decision = decided;
  tier.assign(facts.tier);
  endpoint.assign(facts.endpoint);
  cost_milli = facts.cost_milli;
}

void write_answer(std::string& out, std::span<const Verdict> verdicts, const Options& options,
                  int64_t unix_us) {
  const bool refused = std::ranges::any_of(verdicts, is_refused);
  Words words;
  if (refused || options.headers != HeaderStyle::kOff) {
    choose_words(words, as_the_module_sees(most_telling(verdicts)), refused, options, unix_us);
  }
  out.clear();
  WireWriter answer(
      out, WireWriter::kMostOfAField + verdicts.size() * kMostOfAStatus + words.most_bytes());
  answer.number(kOverallCode, refused ? kOverLimit : kOk);
  for (const Verdict& verdict : verdicts) write_status(answer, verdict, unix_us);
  words.write(answer);
}

void write_undecided(std::string& out, const Options& options) {
  const bool refused = options.on_error != OnError::kAllow;
  Words words;
  if (refused) {
    words.headers().add("Cache-Control", "no-store");
    words.headers().add_retry_after(kRetryUndecidedS);
    if (options.body) words.set_body(unavailable_problem(kStatus, kRetryUndecidedS));
  }
  out.clear();
  WireWriter answer(out, WireWriter::kMostOfAField + words.most_bytes());
  answer.number(kOverallCode, refused ? kOverLimit : kOk);
  words.write(answer);
}

}  // namespace quota::rls
