#include "redis/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "redis/protocol.h"

namespace quota::redis {

void fail(std::deque<InFlight> requests, Failure failure, std::string_view why) {
  for (InFlight& request : requests) {
    if (request.attempt.command) {
      request.attempt.command->failed(failure, why);
    } else if (request.on_reply) {
      request.on_reply(nullptr);
    }
  }
}

Connection::Connection(ContextPtr context, Address address, Events& events)
    : context_(std::move(context)),
      address_(std::move(address)),
      events_(events),
      timer_(context_->loop, [this] { look_at_time(); }),
      connect_by_us_(mono_us() + context_->options.connect_timeout_us) {
  link_ = std::make_unique<Link>(context_->loop, address_, context_->tls, *this);
  wake_in(context_->options.connect_timeout_us);
}

void Connection::link_opened() {
  open_ = true;
  events_.connection_opened();
}

void Connection::established() {
  established_ = true;
  heard_us_ = mono_us();
  wake_in(context_->options.command_timeout_us);
}

void Connection::send(const Node& node, Attempt attempt) {
  words_.clear();
  buffer_.clear();
  attempt.command->write(node, words_);
  if (attempt.asking) {
    ask({"ASKING"}, nullptr);
    buffer_.clear();
  }
  if (const Script* script = attempt.command->script(); script == nullptr) {
    encode({}, words_, buffer_);
  } else if (attempt.as_eval) {
    encode({"EVAL", script->text}, words_, buffer_);
  } else {
    encode({"EVALSHA", script->sha1}, words_, buffer_);
  }
  const int64_t now_us = mono_us();
  if (attempt.first_sent_us == 0) attempt.first_sent_us = now_us;
  push({now_us, std::move(attempt), nullptr});
}

void Connection::ask(std::initializer_list<std::string_view> words, OnReply on_reply) {
  static const Words kNone;
  buffer_.clear();
  encode(words, kNone, buffer_);
  push({mono_us(), {}, std::move(on_reply)});
}

void Connection::push(InFlight request) {
  const bool first = in_flight_.empty();
  in_flight_.push_back(std::move(request));
  ++unwritten_;
  if (link_) link_->send(buffer_);
  // The timer may be set for the next ping, which is later.
  if (first && established_) {
    const int64_t in_us = context_->options.command_timeout_us;
    if (wake_at_us_ > in_flight_.front().sent_us + in_us) wake_in(in_us);
  }
}

void Connection::listen(const std::string& channel,
                        std::function<void(std::string_view)> on_message, OnReply on_reply) {
  channel_ = channel;
  on_message_ = std::move(on_message);
  ask({"SUBSCRIBE", channel}, std::move(on_reply));
}

void Connection::link_replied(const redisReply& reply) {
  ++replies_;
  had_grace_ = false;
  if (established_) heard_us_ = mono_us();
  if (on_message_ && is_array(reply) && reply.elements == 3 &&
      text_of(*reply.element[0]) == "message") {
    on_message_(text_of(*reply.element[2]));
    return;
  }
  if (in_flight_.empty()) return;  // not asked for
  InFlight request = std::move(in_flight_.front());
  in_flight_.pop_front();
  if (request.attempt.command) {
    events_.connection_answered(std::move(request.attempt), reply);
  } else if (request.on_reply) {
    request.on_reply(&reply);
  }
}

void Connection::link_broken(std::string why) {
  lose(Failure::kUnavailable, why.empty() ? "the connection broke" : why);
}

std::deque<InFlight> Connection::cut() {
  link_.reset();
  timer_.stop();
  return std::exchange(in_flight_, {});
}

void Connection::lose(Failure failure, const std::string& why) {
  if (!link_) return;
  std::deque<InFlight> unanswered = cut();
  events_.connection_lost(failure, why, std::move(unanswered));
}

void Connection::wake_in(int64_t us) {
  wake_at_us_ = mono_us() + us;
  timer_.start(us);
}

void Connection::look_at_time() {
  const int64_t now_us = mono_us();
  const ClientOptions& options = context_->options;
  if (!established_) {
    if (now_us < connect_by_us_) return wake_in(connect_by_us_ - now_us);
    return lose(Failure::kUnavailable,
                fmt::format("{} within {} ms", open_ ? "no answer" : "no connection",
                            options.connect_timeout_us / 1000));
  }
  if (!in_flight_.empty()) return look_at_oldest(now_us);
  const int64_t ping_at_us = heard_us_ + options.ping_interval_us;
  if (now_us < ping_at_us) return wake_in(ping_at_us - now_us);
  ping();
  wake_in(options.command_timeout_us);
}

void Connection::look_at_oldest(int64_t now_us) {
  const int64_t timeout_us = context_->options.command_timeout_us;
  const int64_t late_us = now_us - wake_at_us_;
  const int64_t left_us = in_flight_.front().sent_us + timeout_us - now_us;
  if (left_us > 0) {
    had_grace_ = false;
    return wake_in(left_us);
  }

  // libuv looks at timers before sockets. When it was this process that stood still, the answer may
  // have come in time, and what was not even written deserves its time.
  const uint64_t replies = replies_;
  link_->read_now();
  if (!link_) return;
  if (replies_ != replies) return wake_in(1000);
  const bool stood_still = late_us > timeout_us / 2 || unwritten_ >= in_flight_.size();
  if (stood_still && !std::exchange(had_grace_, true)) return wake_in(timeout_us);
  lose(Failure::kTimeout, fmt::format("no answer within {} ms", timeout_us / 1000));
}

void Connection::ping() {
  // Where one listens, hiredis 0.14 loses track of PING.
  if (channel_.empty()) {
    ask({"PING"}, nullptr);
  } else {
    ask({"SUBSCRIBE", channel_}, nullptr);
  }
}

}  // namespace quota::redis
