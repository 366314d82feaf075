#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redis/url.h"

struct redisReply;

namespace quota::redis {

// A server side script: sent as EVALSHA, and as EVAL for the one command that got NOSCRIPT.
struct Script {
  std::string_view text;
  std::string sha1;  // in hex
};

// One server that takes writes, as the client knows it now.
struct Node {
  Address address;
  std::string run_id;            // changes when the process behind the address does
  std::string maxmemory_policy;  // empty where it cannot be read
  int slot = -1;                 // in a cluster: the lowest of its slots; -1: not known
  // Set by ClientEvents::on_node and handed to every command that goes there.
  int64_t tag = 0;
};

// The words of one command, in memory that is reused from command to command.
class Words {
 public:
  void clear() {
    buffer_.clear();
    ends_.clear();
  }
  Words& add(std::string_view word) {
    buffer_.append(word);
    ends_.push_back(buffer_.size());
    return *this;
  }
  Words& add(int64_t number);

  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(buffer_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string buffer_;
  std::vector<size_t> ends_;
};

enum class Failure {
  kUnavailable,  // no connection to the responsible node, or it broke before the answer came
  kTimeout,      // no answer in time; what became of the command is not known
  kOverload,     // too many commands wait already
  kRefused,      // an answer that says no: an error reply, passed on in words
  kClosed,       // the client was closed
};

// A command on its way. The client owns it from send() until it has told it what came of it, once.
class Command {
 public:
  virtual ~Command() = default;
  // Decides which node of a cluster is asked; empty: any. With script(), also goes first into KEYS.
  virtual std::string_view key() const = 0;
  virtual const Script* script() const { return nullptr; }
  // Called before each attempt, because a redirection may lead to another node. Without script():
  // the whole command. With it: what follows the script's hash: numkeys, keys, arguments.
  virtual void write(const Node& node, Words& words) = 0;
  // `first_sent_us` is the monotonic time just before the first attempt was handed to the system.
  virtual void answered(const redisReply& reply, int64_t first_sent_us) = 0;
  virtual void failed(Failure failure, std::string_view words) = 0;
};

// What the client tells its owner; always on the loop's thread.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  // A connection to a primary is open, authenticated, its database selected and its role checked:
  // ask whatever must be known before anybody else uses it, through `ask`, and call `ready` once,
  // with an error to have the connection closed and tried again later. Repeated for every new
  // connection, also when `node.run_id` is what it was.
  using Ask = std::function<void(std::unique_ptr<Command>)>;
  using Ready = std::function<void(absl::Status)>;
  virtual void on_node(Node& node, Ask ask, Ready ready) = 0;
  // Some node answers / no node does. The first that is told may be that none does, and why.
  virtual void on_up(bool up, std::string_view why) = 0;
};

struct ClientOptions {
  Url url;
  std::string ca_file, cert_file, key_file, server_name;  // TLS
  int64_t connect_timeout_us = 1'000'000;
  int64_t command_timeout_us = 250'000;  // then the connection is given up and opened anew
  int64_t ping_interval_us = 1'000'000;  // of a connection that is otherwise idle
  int64_t least_backoff_us = 50'000;     // doubled after each failure, with jitter
  int64_t most_backoff_us = 1'000'000;
  size_t most_in_flight = 1024;   // commands written and not answered, per node; more of them wait
  size_t most_waiting = 262'144;  // commands that wait for their turn, in all
  std::string name = "quotad";    // CLIENT SETNAME
};

// Asynchronous, on one loop and its thread: every method but counters() is called there. It finds
// the primary, or the nodes of a cluster, and finds them again when they move. The process has to
// ignore SIGPIPE.
class Client {
 public:
  // `events` outlives the client. Nothing happens before the loop runs.
  static std::unique_ptr<Client> open(uv_loop_t* loop, ClientOptions options, ClientEvents& events);
  virtual ~Client() = default;

  // All that is sent in one turn of the loop leaves in one write per node.
  virtual void send(std::unique_ptr<Command> command) = 0;
  // Calls `on_message` for what is published on the channel, over a connection of its own that is
  // opened again when it breaks; `on_subscribed` each time it (again) listens, so that what may
  // have been missed can be fetched.
  virtual void subscribe(std::string channel, std::function<void(std::string_view)> on_message,
                         std::function<void()> on_subscribed) = 0;
  // Calls `visit` for every node that is connected now; a changed tag holds for later commands.
  virtual void for_each_node(std::function<void(Node&)> visit) = 0;
  virtual bool up() const = 0;
  // Fails what is under way with kClosed, then closes all handles; `closed` is called at the end.
  virtual void close(std::function<void()> closed) = 0;

  // `timeouts` counts connections that were given up because an answer did not come in time,
  // `retries` what was sent again to the same slot or server.
  struct Counters {
    uint64_t connects = 0, connect_failures = 0, timeouts = 0, redirects = 0, retries = 0,
             failovers = 0, slot_refreshes = 0;
  };
  virtual Counters counters() const = 0;
};

}  // namespace quota::redis
