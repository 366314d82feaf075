#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "redis/connection.h"

namespace quota::redis {

// Asks one server for the slots, over a connection for this one question. For a start, and for when
// no known node is left.
class SlotScout final : public Connection::Events {
 public:
  // `done` is called once, unless the scout is closed before: with the reply, or with why there is
  // none.
  using Done = std::function<void(const redisReply*, const std::string& why)>;

  SlotScout(ContextPtr context, const Address& address, Done done);
  ~SlotScout() override = default;
  void close();

 private:
  void connection_opened() override;
  void connection_answered(Attempt attempt, const redisReply& reply) override;
  void connection_lost(Failure failure, const std::string& why,
                       std::deque<InFlight> unanswered) override;

  ContextPtr context_;
  Done done_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace quota::redis
