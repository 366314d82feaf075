#pragma once

#include <hiredis/async.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis/loop.h"
#include "redis/tls.h"
#include "redis/url.h"

namespace quota::redis {

// One socket: hiredis' protocol on libuv's loop. What is sent in one turn of the loop is written at
// its end, at once. SIGPIPE has to be ignored by the process.
class Link {
 public:
  // Never called from within the constructor or the destructor, and nothing after broken(). The
  // link may be destroyed in each of them.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void link_opened() = 0;
    virtual void link_replied(const redisReply& reply) = 0;
    // What was sent so far has been handed to the system, or as much of it as that took.
    virtual void link_written() = 0;
    virtual void link_broken(std::string why) = 0;
  };

  Link(LoopPtr loop, Address address, std::shared_ptr<const Tls> tls, Events& events);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // One command, as the protocol has it. Only when open.
  void send(std::string_view command);
  // Takes in what has arrived already, as the loop would in its next turn.
  void read_now();

 private:
  struct Socket;
  struct Lookup;

  void look_up();
  void looked_up(int status, const addrinfo* found);
  // Tries the next of the host's addresses.
  void connect_next();
  void connect(const std::string& host);
  void lost(std::string why);

  LoopPtr loop_;
  Address address_;
  std::shared_ptr<const Tls> tls_;
  Events& events_;
  Timer soon_;
  Lookup* lookup_ = nullptr;
  Socket* socket_ = nullptr;
  std::vector<std::string> hosts_;  // numeric, those that are left to be tried
  std::string why_;
  bool opened_ = false;
};

}  // namespace quota::redis
