#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "redis/context.h"
#include "redis/link.h"

namespace quota::redis {

// A command and what was tried with it.
struct Attempt {
  std::unique_ptr<Command> command;
  int64_t first_sent_us = 0;
  int64_t deadline_us = 0;  // set with the first redirection or repetition
  int redirects = 0;
  int repetitions = 0;
  bool as_eval = false;  // the script was not known there
  bool asking = false;   // for a slot that is on its way to this node
  bool pinned = false;   // meant for this connection only
};

// A reply, or nullptr when the connection broke before.
using OnReply = std::function<void(const redisReply*)>;

// What was written and has no answer yet.
struct InFlight {
  int64_t sent_us = 0;
  Attempt attempt;  // or, without a command:
  OnReply on_reply;
};

// One connection: requests in order, and whether the other side still answers them.
class Connection final : public Link::Events {
 public:
  // Like those of the link: nothing after connection_lost().
  class Events {
   public:
    virtual ~Events() = default;
    virtual void connection_opened() = 0;
    virtual void connection_answered(Attempt attempt, const redisReply& reply) = 0;
    virtual void connection_lost(Failure failure, const std::string& why,
                                 std::deque<InFlight> unanswered) = 0;
  };

  // Until established(), all of it has to be done within the connect timeout.
  Connection(ContextPtr context, Address address, Events& events);
  ~Connection() override = default;

  void established();
  void send(const Node& node, Attempt attempt);
  void ask(std::initializer_list<std::string_view> words, OnReply on_reply);
  // Subscribes; from then on, nothing else is asked. `on_reply` is called for each confirmation.
  void listen(const std::string& channel, std::function<void(std::string_view)> on_message,
              OnReply on_reply);
  // Ends in connection_lost(), unless that has been.
  void lose(Failure failure, const std::string& why);
  // Ends without a word; what is in flight is handed back.
  std::deque<InFlight> cut();

  size_t in_flight() const { return in_flight_.size(); }
  const Address& address() const { return address_; }

 private:
  void link_opened() override;
  void link_replied(const redisReply& reply) override;
  void link_written() override { unwritten_ = 0; }
  void link_broken(std::string why) override;
  void push(InFlight request);
  void wake_in(int64_t us);
  void look_at_time();
  void look_at_oldest(int64_t now_us);
  void ping();

  ContextPtr context_;
  Address address_;
  Events& events_;
  Timer timer_;
  std::unique_ptr<Link> link_;
  std::deque<InFlight> in_flight_;
  size_t unwritten_ = 0;  // the last of them, which the loop has not come to yet
  Words words_;           // reused
  std::string buffer_;    // reused
  std::string channel_;
  std::function<void(std::string_view)> on_message_;
  int64_t connect_by_us_;
  int64_t wake_at_us_ = 0;
  int64_t heard_us_ = 0;
  uint64_t replies_ = 0;
  bool open_ = false;
  bool established_ = false;
  bool had_grace_ = false;
};

// Tells each of them that it failed.
void fail(std::deque<InFlight> requests, Failure failure, std::string_view why);

}  // namespace quota::redis
