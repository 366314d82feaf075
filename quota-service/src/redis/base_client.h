#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis/peer.h"
#include "redis/subscription.h"

namespace quota::redis {

// What the clients have in common; they differ in how they find the servers.
class BaseClient : public Client, public Peer::Owner {
 public:
  void send(std::unique_ptr<Command> command) final;
  void subscribe(std::string channel, std::function<void(std::string_view)> on_message,
                 std::function<void()> on_subscribed) final;
  void for_each_node(std::function<void(Node&)> visit) final;
  bool up() const final { return up_.value_or(false); }
  void close(std::function<void()> closed) final;
  Counters counters() const final;

 protected:
  BaseClient(ContextPtr context, ClientEvents& events);

  virtual std::vector<Peer*> peers() = 0;
  // Sends it to whom it concerns, or fails it.
  virtual void dispatch(Attempt attempt) = 0;
  virtual std::optional<Address> where_to_listen() = 0;
  virtual void find_again(Peer& lost) = 0;
  // Closes all that the derived class has.
  virtual void close_parts() = 0;
  // Takes the attempt where the error tells where else it belongs.
  virtual bool follow(Peer& peer, Attempt& attempt, std::string_view error);

  // Closes and destroys it.
  void discard(std::unique_ptr<Peer> peer, Failure failure, std::string_view why);
  // Destroys what is closed, but may be at work.
  void discard_later(std::shared_ptr<void> part);
  void set_up(bool up, std::string_view why);
  void move_subscriptions();
  bool closed() const { return !context_; }

  ContextPtr context_;  // none once closed

 private:
  ClientEvents& events() final { return events_; }
  void peer_ready(Peer& peer) final;
  void peer_lost(Peer& peer, const std::string& why) final;
  void peer_answered(Peer& peer, Attempt attempt, const redisReply& reply) final;

  ClientEvents& events_;
  std::shared_ptr<redis::Counters> counters_;
  std::weak_ptr<Loop> loop_;
  std::vector<std::unique_ptr<Subscription>> subscriptions_;
  std::optional<bool> up_;
};

std::unique_ptr<Client> open_single(ContextPtr context, ClientEvents& events);
std::unique_ptr<Client> open_sentinel(ContextPtr context, ClientEvents& events);
std::unique_ptr<Client> open_cluster(ContextPtr context, ClientEvents& events);

}  // namespace quota::redis
