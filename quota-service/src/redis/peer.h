#pragma once

#include <deque>
#include <memory>
#include <string>

#include "redis/connection.h"
#include "redis/greeting.h"

namespace quota::redis {

// One server that should be a primary: its connection, opened anew when it breaks, and the commands
// that wait for their turn there.
class Peer final : public Connection::Events {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual ClientEvents& events() = 0;
    virtual void peer_ready(Peer& peer) = 0;
    // Decides what comes next: retry_later(), or another server. Once for each failed attempt.
    virtual void peer_lost(Peer& peer, const std::string& why) = 0;
    virtual void peer_answered(Peer& peer, Attempt attempt, const redisReply& reply) = 0;
  };

  Peer(ContextPtr context, Address address, Owner& owner);
  ~Peer() override = default;

  void connect();
  void retry_later();
  // How long to wait now for the next attempt.
  int64_t next_delay_us() { return backoff_.next(*context_); }
  // Ends without peer_lost(); all that waits or is under way fails.
  void close(Failure failure, std::string_view why);
  // Gives the connection up, as after an error.
  void drop(Failure failure, const std::string& why);

  void send(Attempt attempt);
  // At once, in the place of the attempt that was answered just now.
  void send_again(Attempt attempt);
  // As send(), but the command waits for the connection where that is being opened.
  void send_when_ready(Attempt attempt);
  // What waits and was not sent, to be sent elsewhere.
  std::deque<Attempt> take_waiting();

  Node& node() { return node_; }
  bool ready() const { return state_ == State::kReady; }
  bool busy() const { return connection_ && connection_->in_flight() > 0; }
  // For the owner's own questions; only when ready.
  void ask(std::initializer_list<std::string_view> words, OnReply on_reply);

  bool wanted = true;  // by the owner's last look at the cluster

 private:
  enum class State { kDown, kConnecting, kOpening, kReady };

  void connection_opened() override;
  void connection_answered(Attempt attempt, const redisReply& reply) override;
  void connection_lost(Failure failure, const std::string& why,
                       std::deque<InFlight> unanswered) override;
  void greeted(const ServerFacts& facts);
  void opened(const absl::Status& status);
  void log_lost(const std::string& why);
  void bury_connection();
  void enqueue(Attempt attempt);
  void pump();
  void give_up_late();

  ContextPtr context_;
  Owner& owner_;
  Node node_;
  State state_ = State::kDown;
  std::string why_down_ = "not connected yet";
  std::string logged_;
  int64_t logged_us_ = 0;
  std::unique_ptr<Connection> connection_;
  std::deque<Attempt> waiting_;
  Backoff backoff_;
  Timer retry_;
  Timer late_;
  // Dies with the connection, for callbacks that others hold.
  std::shared_ptr<Peer*> alive_;
};

}  // namespace quota::redis
