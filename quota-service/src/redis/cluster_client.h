#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis/base_client.h"
#include "redis/slot_map.h"
#include "redis/slot_scout.h"

namespace quota::redis {

// The primaries of a cluster, each with its part of the keys.
class ClusterClient final : public BaseClient {
 public:
  ClusterClient(ContextPtr context, ClientEvents& events);
  ~ClusterClient() override { close(nullptr); }

 private:
  std::vector<Peer*> peers() override;
  void dispatch(Attempt attempt) override;
  std::optional<Address> where_to_listen() override;
  void find_again(Peer& lost) override;
  void close_parts() override;
  bool follow(Peer& peer, Attempt& attempt, std::string_view error) override;

  void redirect(const Redirection& to, bool asking, Attempt attempt);
  void try_again(Attempt attempt);
  void send_waited();

  // The one at that address, which is connected if it is new.
  Peer& peer_at(const Address& address);
  Peer* any_ready();

  // Soon, but not too often.
  void refresh();
  void ask_for_slots();
  void ask_by_scout();
  void got_slots(const Address& asked, const redisReply* reply, const std::string& why);
  void adopt(SlotMap slots);
  void retire_unwanted();
  void sweep();
  Address next_candidate();
  void end_scout();

  SlotMap slots_;
  std::map<Address, std::unique_ptr<Peer>> peers_;

  bool asking_ = false;  // the question for the slots is on its way
  int64_t asked_us_ = 0;
  std::shared_ptr<SlotScout> scout_;
  size_t next_candidate_ = 0;
  size_t failed_candidates_ = 0;
  Backoff backoff_;
  std::string why_none_ = "no node of the cluster is known yet";

  struct Waiting {
    int64_t due_us;
    Attempt attempt;
  };
  std::deque<Waiting> again_;
  std::unique_ptr<Timer> refresh_timer_, sweep_timer_, again_timer_;
};

}  // namespace quota::redis
