#include "redis/peer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "redis/protocol.h"

namespace quota::redis {

Peer::Peer(ContextPtr context, Address address, Owner& owner)
    : context_(std::move(context)),
      owner_(owner),
      node_{std::move(address), {}, {}, 0},
      retry_(context_->loop, [this] { connect(); }),
      late_(context_->loop, [this] { give_up_late(); }) {}

void Peer::connect() {
  retry_.stop();
  if (connection_) return;
  state_ = State::kConnecting;
  alive_ = std::make_shared<Peer*>(this);
  connection_ = std::make_unique<Connection>(context_, node_.address, *this);
}

void Peer::retry_later() { retry_.start(next_delay_us()); }

void Peer::connection_opened() {
  greet_server(*connection_, context_->options, [this](absl::StatusOr<ServerFacts> facts) {
    if (facts.ok()) return greeted(*facts);
    connection_->lose(Failure::kUnavailable, std::string(facts.status().message()));
  });
}

void Peer::greeted(const ServerFacts& facts) {
  if (facts.role != "master") return connection_->lose(Failure::kUnavailable, "it is a replica");
  if (facts.loading) return connection_->lose(Failure::kUnavailable, "it is loading its data");
  node_.run_id = facts.run_id;
  node_.maxmemory_policy = facts.maxmemory_policy;
  state_ = State::kOpening;
  connection_->established();
  const std::weak_ptr<Peer*> weak = alive_;
  owner_.events().on_node(
      node_,
      [weak](std::unique_ptr<Command> command) {
        const std::shared_ptr<Peer*> peer = weak.lock();
        if (!peer) return command->failed(Failure::kUnavailable, "the connection broke");
        Attempt attempt;
        attempt.command = std::move(command);
        attempt.pinned = true;
        (*peer)->connection_->send((*peer)->node_, std::move(attempt));
      },
      [weak](const absl::Status& status) {
        if (const std::shared_ptr<Peer*> peer = weak.lock()) (*peer)->opened(status);
      });
}

void Peer::opened(const absl::Status& status) {
  if (state_ != State::kOpening) return;
  if (!status.ok()) return connection_->lose(Failure::kUnavailable, std::string(status.message()));
  state_ = State::kReady;
  why_down_.clear();
  backoff_.reset();
  late_.stop();
  context_->counters->connects.add();
  spdlog::info("redis {}: connected", node_.address.text());
  owner_.peer_ready(*this);
  pump();
}

// A server that stays away is not news, but another reason for it is.
void Peer::log_lost(const std::string& why) {
  constexpr int64_t kQuietUs = 10'000'000;
  const int64_t now_us = mono_us();
  if (!ready() && (why == logged_ || (!logged_.empty() && now_us < logged_us_ + kQuietUs))) return;
  spdlog::warn("redis {}: {}", node_.address.text(), why);
  logged_ = why;
  logged_us_ = now_us;
}

void Peer::connection_answered(Attempt attempt, const redisReply& reply) {
  owner_.peer_answered(*this, std::move(attempt), reply);
  pump();
}

void Peer::bury_connection() {
  alive_.reset();
  destroy_later(context_->loop, std::shared_ptr<Connection>(std::move(connection_)));
}

void Peer::connection_lost(Failure failure, const std::string& why,
                           std::deque<InFlight> unanswered) {
  bury_connection();
  if (failure == Failure::kTimeout) context_->counters->timeouts.add();
  if (!ready()) context_->counters->connect_failures.add();
  log_lost(why);
  state_ = State::kDown;
  late_.stop();
  why_down_ = fmt::format("no connection to {}: {}", node_.address.text(), why);
  const std::string words = why_down_;
  std::deque<Attempt> waited = take_waiting();
  // Before the commands fail: their owners may want to know whether another try is worth while.
  owner_.peer_lost(*this, why);
  fail(std::move(unanswered), failure, words);
  for (Attempt& attempt : waited) attempt.command->failed(Failure::kUnavailable, words);
}

void Peer::close(Failure failure, std::string_view why) {
  retry_.stop();
  late_.stop();
  state_ = State::kDown;
  std::deque<InFlight> unanswered;
  if (connection_) {
    unanswered = connection_->cut();
    bury_connection();
  }
  std::deque<Attempt> waited = take_waiting();
  fail(std::move(unanswered), failure, why);
  for (Attempt& attempt : waited) attempt.command->failed(failure, why);
}

void Peer::drop(Failure failure, const std::string& why) {
  if (connection_) connection_->lose(failure, why);
}

void Peer::send(Attempt attempt) {
  if (!ready()) return attempt.command->failed(Failure::kUnavailable, why_down_);
  if (waiting_.empty() && connection_->in_flight() < context_->options.most_in_flight) {
    return connection_->send(node_, std::move(attempt));
  }
  enqueue(std::move(attempt));
}

void Peer::send_again(Attempt attempt) {
  if (!connection_) return attempt.command->failed(Failure::kUnavailable, why_down_);
  connection_->send(node_, std::move(attempt));
}

void Peer::send_when_ready(Attempt attempt) {
  if (ready()) return send(std::move(attempt));
  // After a failed attempt it is not worth the wait.
  if (!connection_) return attempt.command->failed(Failure::kUnavailable, why_down_);
  if (!late_.active()) late_.start(attempt.deadline_us - mono_us());
  enqueue(std::move(attempt));
}

void Peer::enqueue(Attempt attempt) {
  if (context_->waiting >= context_->options.most_waiting) {
    return attempt.command->failed(Failure::kOverload,
                                   fmt::format("{} commands wait already", context_->waiting));
  }
  ++context_->waiting;
  waiting_.push_back(std::move(attempt));
}

std::deque<Attempt> Peer::take_waiting() {
  context_->waiting -= waiting_.size();
  return std::exchange(waiting_, {});
}

void Peer::pump() {
  while (ready() && !waiting_.empty() &&
         connection_->in_flight() < context_->options.most_in_flight) {
    Attempt attempt = std::move(waiting_.front());
    waiting_.pop_front();
    --context_->waiting;
    connection_->send(node_, std::move(attempt));
  }
}

void Peer::give_up_late() {
  if (ready()) return;
  const int64_t now_us = mono_us();
  std::deque<Attempt> late;
  while (!waiting_.empty() && waiting_.front().deadline_us <= now_us) {
    late.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    --context_->waiting;
  }
  if (!waiting_.empty()) late_.start(waiting_.front().deadline_us - now_us);
  for (Attempt& attempt : late) {
    attempt.command->failed(Failure::kUnavailable,
                            fmt::format("no connection to {} yet", node_.address.text()));
  }
}

void Peer::ask(std::initializer_list<std::string_view> words, OnReply on_reply) {
  connection_->ask(words, std::move(on_reply));
}

}  // namespace quota::redis
