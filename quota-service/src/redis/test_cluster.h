#pragma once

#include <string>
#include <vector>

#include "redis/key_slot.h"
#include "redis/test_servers.h"

namespace quota::redis::testing {

// Three primaries with a third of the slots each, and replicas of them if wanted.
class TestCluster {
 public:
  explicit TestCluster(bool with_replicas = false, const std::string& password = "") {
    const int count = with_replicas ? 6 : 3;
    std::vector<std::string> arguments = {"--cluster-enabled",
                                          "yes",
                                          "--cluster-node-timeout",
                                          "1000",
                                          "--cluster-require-full-coverage",
                                          "no",
                                          "--cluster-replica-validity-factor",
                                          "0"};
    if (!password.empty()) {
      arguments.insert(arguments.end(), {"--requirepass", password, "--masterauth", password});
    }
    for (int i = 0; i < count; ++i) {
      nodes_.push_back(std::make_unique<RedisServer>(
          RedisServer::Options{.arguments = arguments, .password = password}));
      node(i).run({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
      if (i < 3) {
        node(i).run({"CLUSTER", "ADDSLOTSRANGE", std::to_string(first_slot(i)),
                     std::to_string(first_slot(i + 1) - 1)});
      }
      if (i > 0) node(i).run({"CLUSTER", "MEET", "127.0.0.1", std::to_string(node(0).port())});
      ids_.push_back(node(i).run({"CLUSTER", "MYID"}));
    }
    EXPECT_TRUE(all_say("cluster_known_nodes:" + std::to_string(count)));
    for (int i = 3; i < count; ++i) node(i).run({"CLUSTER", "REPLICATE", ids_[i - 3]});
    EXPECT_TRUE(all_say("cluster_slots_assigned:16384") && all_say("cluster_state:ok"));
    for (int i = 3; i < count; ++i) {
      EXPECT_TRUE(eventually([&] {
        return node(i).run({"INFO", "replication"}).find("master_link_status:up") !=
               std::string::npos;
      }));
    }
  }

  RedisServer& node(int i) { return *nodes_[static_cast<size_t>(i)]; }
  const std::string& id(int i) const { return ids_[static_cast<size_t>(i)]; }
  std::string url(const std::string& credentials = "") const {
    return "redis-cluster://" + credentials + nodes_[0]->host_and_port();
  }

  static int first_slot(int i) { return kSlots * i / 3; }

  // A key of what the i-th primary begins with; of another slot for each `n`.
  static std::string key_of(int i, int n = 0) {
    for (int k = n * 1000;; ++k) {
      const std::string key = "key" + std::to_string(k);
      if (key_slot(key) >= first_slot(i) && key_slot(key) < first_slot(i + 1)) return key;
    }
  }

  void begin_move(int slot, int from, int to) {
    node(to).run({"CLUSTER", "SETSLOT", std::to_string(slot), "IMPORTING", id(from)});
    node(from).run({"CLUSTER", "SETSLOT", std::to_string(slot), "MIGRATING", id(to)});
  }
  void move_key(const std::string& key, int from, int to) {
    node(from).run({"MIGRATE", "127.0.0.1", std::to_string(node(to).port()), key, "0", "2000"});
  }
  void end_move(int slot, int from, int to) {
    for (const int i : {to, from, 3 - from - to}) {
      node(i).run({"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", id(to)});
    }
  }

 private:
  bool all_say(const std::string& line) {
    return eventually([&] {
      for (const auto& server : nodes_) {
        if (server->run({"CLUSTER", "INFO"}).find(line) == std::string::npos) return false;
      }
      return true;
    });
  }

  std::vector<std::unique_ptr<RedisServer>> nodes_;
  std::vector<std::string> ids_;
};

}  // namespace quota::redis::testing
