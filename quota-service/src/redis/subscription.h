#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "redis/connection.h"

namespace quota::redis {

// Listens to one channel, over a connection of its own that is opened again when it breaks.
class Subscription final : public Connection::Events {
 public:
  struct Options {
    std::string channel;
    // Asked before each attempt; nothing while nobody knows.
    std::function<std::optional<Address>()> where;
    std::function<void(std::string_view)> on_message;
    std::function<void()> on_subscribed;
    bool is_sentinel = false;
  };

  Subscription(ContextPtr context, Options options);
  ~Subscription() override = default;

  // Goes to where the server is now, if that is not where it listens.
  void move();
  void close();

 private:
  void connect();
  void end_connection();
  void connection_opened() override;
  void connection_answered(Attempt attempt, const redisReply& reply) override;
  void connection_lost(Failure failure, const std::string& why,
                       std::deque<InFlight> unanswered) override;

  ContextPtr context_;
  Options options_;
  std::unique_ptr<Connection> connection_;
  Backoff backoff_;
  Timer retry_;
  bool closed_ = false;
};

}  // namespace quota::redis
