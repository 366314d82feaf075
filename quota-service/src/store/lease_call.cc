#include "store/lease_call.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <array>

#include "store/subject_text.h"
#include "usage/month.h"

namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::Reserve;

// A month's count is kept until some days after its end; no billing month has more than 31 days.
constexpr int64_t kMonthKeptDays = 40;
constexpr int64_t kDayMs = 86'400'000;

// A subject with a bucket of its own, as engine::own_bucket() writes it, in its parts.
struct Parts {
  std::string_view limit;  // empty: the subject's usual bucket
  std::string_view base;
};

Parts parts_of(std::string_view subject) {
  if (!subject.starts_with(engine::kOwnBucket)) return {{}, subject};
  const size_t colon = subject.find(':');
  return {subject.substr(1, colon - 1), subject.substr(colon + 1)};
}

}  // namespace

std::string minute_key(std::string_view subject) {
  const Parts parts = parts_of(subject);
  const std::string key = fmt::format("quota:{{{}}}:rate", subject_to_text(parts.base));
  return parts.limit.empty() ? key : fmt::format("{}:{}", key, parts.limit);
}

std::string month_key(const MonthKey& month) {
  return fmt::format("quota:{{{}}}:month:{}", subject_to_text(parts_of(month.subject).base),
                     usage::day_text(month.period));
}

std::string holder_of(const LeaseTerms& terms, std::string_view subject) {
  const Parts parts = parts_of(subject);
  return parts.limit.empty() ? terms.holder : fmt::format("{}.{}", terms.holder, parts.limit);
}

void write_lease_call(const Reserve& request, const LeaseTerms& terms, std::string_view holder,
                      uint64_t seq, int64_t void_before_us, redis::Words& words) {
  words.add(terms.marker.empty() ? "2" : "3");
  words.add(minute_key(request.month.subject)).add(month_key(request.month));
  if (!terms.marker.empty()) words.add(terms.marker);
  words.add(holder);
  const engine::MinuteAsk& minute = request.minute;
  for (const int64_t number :
       {static_cast<int64_t>(seq), terms.ttl_us, void_before_us, terms.retention_ms, minute.limit,
        minute.capacity, minute.spent, minute.returned, minute.debt, minute.want, minute.least,
        request.limit, request.used, int64_t{request.release}, request.demand, request.cost,
        (request.month.period + kMonthKeptDays) * kDayMs}) {
    words.add(number);
  }
}

absl::StatusOr<Grant> read_lease_answer(const redisReply& reply, const Reserve& request,
                                        int64_t sent_us) {
  enum { kHolders, kPause, kBalance, kLevel, kRetry, kBurned, kMonth, kLeft, kUsed, kLimit, kSize };
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != kSize) {
    return absl::InternalError("the lease script answered in another form than expected");
  }
  std::array<int64_t, kSize> numbers{};
  for (size_t i = 0; i < kSize; ++i) {
    if (reply.element[i]->type != REDIS_REPLY_INTEGER) {
      return absl::InternalError("the lease script answered with something that is no number");
    }
    numbers[i] = reply.element[i]->integer;
  }
  const int64_t mark = numbers[kUsed] + numbers[kMonth];
  return Grant{.month = request.month,
               .used = numbers[kUsed],
               .mark = mark,
               .ok = true,
               .seq = request.seq,
               .has_month = request.limit != -1,
               .has_minute = request.minute.limit != -1,
               .others = numbers[kLimit] - numbers[kLeft] - mark,
               .minute = {.balance = numbers[kBalance],
                          .level = numbers[kLevel],
                          .retry_us = numbers[kRetry],
                          .burned = numbers[kBurned] != 0},
               .sent_us = sent_us,
               .pause_us = numbers[kPause],
               .holders = static_cast<int>(numbers[kHolders])};
}

}  // namespace quota::store
