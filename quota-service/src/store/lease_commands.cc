#include "store/lease_commands.h"

#include <hiredis/hiredis.h>
#include <spdlog/spdlog.h>

#include "absl/strings/numbers.h"
#include "store/scripts.h"

namespace quota::store {

LeaseCall::LeaseCall(const LeaseTerms& terms, std::string holder, engine::Reserve request,
                     uint64_t seq, Done done)
    : terms_(terms),
      holder_(std::move(holder)),
      request_(std::move(request)),
      seq_(seq),
      done_(std::move(done)),
      key_(minute_key(request_.month.subject)) {}

const redis::Script* LeaseCall::script() const {
  static const redis::Script script{kLeaseLua, std::string(kLeaseLuaSha1)};
  return &script;
}

void LeaseCall::write(const redis::Node& node, redis::Words& words) {
  write_lease_call(request_, terms_, holder_, seq_, node.tag, words);
}

void LeaseCall::answered(const redisReply& reply, int64_t first_sent_us) {
  done_({.request = request_,
         .grant = read_lease_answer(reply, request_, first_sent_us),
         .sent_us = first_sent_us});
}

void LeaseCall::failed(redis::Failure failure, std::string_view words) {
  done_({.request = request_,
         .grant = absl::UnavailableError(std::string(words)),
         .failure = failure,
         .is_marker_missing = words.starts_with("NOMARKER")});
}

ResetCall::ResetCall(const engine::MonthKey& month)
    : minute_key_(minute_key(month.subject)), month_key_(month_key(month)) {}

const redis::Script* ResetCall::script() const {
  static const redis::Script script{kResetLua, std::string(kResetLuaSha1)};
  return &script;
}

void ResetCall::write(const redis::Node&, redis::Words& words) {
  words.add("2").add(minute_key_).add(month_key_);
}

void ResetCall::failed(redis::Failure, std::string_view words) {
  spdlog::error("a subject could not be reset in Redis, reset it again: {}", words);
}

void MonthCall::write(const redis::Node&, redis::Words& words) {
  words.add("HMGET").add(key_).add("lvl").add("lim");
}

void MonthCall::answered(const redisReply& reply, int64_t) {
  int64_t level = 0;
  int64_t limit = 0;
  const auto number = [&](size_t i, int64_t& to) {
    const redisReply& element = *reply.element[i];
    return element.type == REDIS_REPLY_STRING &&
           absl::SimpleAtoi(std::string(element.str, element.len), &to);
  };
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) {
    return done_(absl::InternalError("Redis answered in another form than expected"));
  }
  // A month that nobody has used is not there.
  if (reply.element[0]->type == REDIS_REPLY_NIL) return done_(0);
  if (!number(0, level) || !number(1, limit)) {
    return done_(absl::InternalError("a month in Redis holds something that is no number"));
  }
  done_(limit - level);
}

void MonthCall::failed(redis::Failure, std::string_view words) {
  done_(absl::UnavailableError(std::string(words)));
}

}  // namespace quota::store
