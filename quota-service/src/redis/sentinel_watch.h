#pragma once

#include <functional>
#include <memory>
#include <string>

#include "redis/subscription.h"

namespace quota::redis {

// Asks the sentinels, in turn, where the primary is, and listens to the one that knew.
class SentinelWatch final : public Connection::Events {
 public:
  using OnPrimary = std::function<void(const Address&)>;
  using OnFailure = std::function<void(const std::string& why)>;

  // `on_failure`: no sentinel knows; they are asked again soon.
  SentinelWatch(ContextPtr context, OnPrimary on_primary, OnFailure on_failure);
  ~SentinelWatch() override = default;

  // One answer is on its way after this.
  void ask();
  void close();

 private:
  const Address& sentinel() const;
  void ask_connected();
  void answered(const redisReply& reply);
  void listened(std::string_view message);
  void next_sentinel(const std::string& why);
  void end_connection();
  void connection_opened() override;
  void connection_answered(Attempt attempt, const redisReply& reply) override;
  void connection_lost(Failure failure, const std::string& why,
                       std::deque<InFlight> unanswered) override;

  ContextPtr context_;
  OnPrimary on_primary_;
  OnFailure on_failure_;
  Timer retry_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Subscription> subscription_;
  size_t current_ = 0;
  size_t failed_in_turn_ = 0;
  bool wanted_ = false;  // somebody waits for an answer
  bool asked_ = false;   // and the question is on its way
  bool open_ = false;
  bool closed_ = false;
};

}  // namespace quota::redis
