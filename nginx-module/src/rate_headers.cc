#include "rate_headers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace quota {
namespace {

// The largest integer a structured field may have (RFC 9651).
constexpr uint64_t kMaxInteger = 999'999'999'999'999;

uint64_t remaining_of(const Limit& limit) { return std::min(limit.remaining, limit.limit); }

// From `now_ms` to `then_ms`, rounded up; 0 if that has passed. Any two numbers are safe.
uint64_t seconds_between(int64_t now_ms, int64_t then_ms) {
  if (then_ms <= now_ms) return 0;
  const uint64_t ms = static_cast<uint64_t>(then_ms) - static_cast<uint64_t>(now_ms);
  return ms / 1000 + (ms % 1000 != 0 ? 1 : 0);
}

bool is_safe(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; });
}

constexpr auto kPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

constexpr auto kPowersOf10 = [] {
  std::array<uint64_t, 20> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

size_t count_digits(uint64_t number) {
  // 1233 / 4096 is a little more than the logarithm of 2 to the base of 10.
  const auto about = static_cast<size_t>(std::bit_width(number | 1)) * 1233 >> 12;
  return about + (number >= kPowersOf10[about] ? 1 : 0) + (number == 0 ? 1 : 0);
}

// Writes the digits of `number` so that they end before `end`.
template <typename Number>
void write_digits(Number number, char* end) {
  while (number >= 100) {
    end -= 2;
    std::memcpy(end, &kPairs[2 * static_cast<size_t>(number % 100)], 2);
    number /= 100;
  }
  if (number < 10) {
    *--end = static_cast<char>('0' + number);
  } else {
    std::memcpy(end - 2, &kPairs[2 * static_cast<size_t>(number)], 2);
  }
}

}  // namespace

void RateHeaders::add(std::string_view name, std::string_view value) {
  if (size_ < headers_.size() && is_safe(value)) headers_[size_++] = {name, value};
}

void RateHeaders::add_tier(std::string_view tier) {
  if (!tier.empty()) add("X-Quota-Tier", tier);
}

// These headers know of one limit. It is the minute's, which is the one a client has to pace
// itself by, or the month's where there is no other.
void RateHeaders::add_legacy(const Verdict& verdict) {
  if (const auto& limit = verdict.minute ? verdict.minute : verdict.month) {
    put(limit->limit);
    finish("X-RateLimit-Limit");
    put(remaining_of(*limit));
    finish("X-RateLimit-Remaining");
    put(seconds_between(0, limit->reset_unix_ms));
    finish("X-RateLimit-Reset");
  }
  if (verdict.month) {
    put(remaining_of(*verdict.month));
    finish("X-Quota-Monthly-Remaining");
  }
}

// RateLimit speaks of the limit that refused the request, else of the minute.
void RateHeaders::add_ietf(const Verdict& verdict, int64_t now_unix_ms) {
  if (!verdict.minute && !verdict.month) return;
  if (verdict.minute) put_policy("minute", *verdict.minute, true);
  if (verdict.month) put_policy("month", *verdict.month, !verdict.minute);
  finish("RateLimit-Policy");
  if (verdict.month && (verdict.reason == "month" || !verdict.minute)) {
    put_item("month", *verdict.month, now_unix_ms);
  } else {
    put_item("minute", *verdict.minute, now_unix_ms);
  }
  finish("RateLimit");
}

void RateHeaders::add_retry_after(uint64_t seconds) {
  put(seconds);
  finish("Retry-After");
}

void RateHeaders::put_policy(std::string_view name, const Limit& limit, bool first) {
  put(first ? "\"" : ", \"");
  put(name);
  put("\";q=");
  put(std::min(limit.limit, kMaxInteger));
  put(";w=");
  put(std::min(limit.window_s, kMaxInteger));
}

void RateHeaders::put_item(std::string_view name, const Limit& limit, int64_t now_unix_ms) {
  put("\"");
  put(name);
  put("\";r=");
  put(std::min(remaining_of(limit), kMaxInteger));
  put(";t=");
  put(std::min(seconds_between(now_unix_ms, limit.reset_unix_ms), kMaxInteger));
}

void RateHeaders::put(std::string_view text) {
  const size_t size = std::min(text.size(), static_cast<size_t>(end_ - next_));
  std::memcpy(next_, text.data(), size);
  next_ += size;
}

// A dozen numbers go into each answer: std::to_chars, which divides 64 bits all the way, showed in
// profiles.
void RateHeaders::put(uint64_t number) {
  const size_t digits = count_digits(number);
  if (digits > static_cast<size_t>(end_ - next_)) return;
  next_ += digits;
  if (number <= UINT32_MAX) {
    write_digits(static_cast<uint32_t>(number), next_);
  } else {
    write_digits(number, next_);
  }
}

void RateHeaders::finish(std::string_view name) {
  headers_[size_++] = {name, {value_, static_cast<size_t>(next_ - value_)}};
  value_ = next_;
}

}  // namespace quota
