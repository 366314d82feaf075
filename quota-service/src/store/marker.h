#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "redis/client.h"

namespace quota::store {

// Where there is one marker for all data; the nodes of a cluster have one each.
inline constexpr std::string_view kMarkerKey = "quota:{marker}";
// In the slot, so that it lies with the node that has the slot.
std::string marker_key_in(int slot);

// Notices that a Redis has lost data: see marker.lua. Also tells how many quotads there are.
class Marker {
 public:
  struct State {
    int64_t void_before_us = 0;  // Redis' clock: buckets last touched before then are void
    int64_t pause_us = 0;        // from now until then
    int engines = 1;
    bool is_new_reset = false;
  };
  using Done = std::function<void(absl::StatusOr<State>)>;

  Marker(std::string holder, int64_t presence_us, int64_t ttl_us, bool is_cluster)
      : holder_(std::move(holder)),
        presence_us_(presence_us),
        ttl_us_(ttl_us),
        is_cluster_(is_cluster) {}

  // False for a node of a cluster that has no slots: it has no data either.
  bool is_for(const redis::Node& node) const { return !is_cluster_ || node.slot >= 0; }
  std::unique_ptr<redis::Command> ask(const redis::Node& node, Done done);
  // This quotad goes away.
  std::unique_ptr<redis::Command> leave(const redis::Node& node, Done done);

 private:
  class Call;
  struct Known {
    std::string born;
    int64_t reset_us = 0;
  };

  const std::string holder_;
  const int64_t presence_us_;
  const int64_t ttl_us_;
  const bool is_cluster_;
  struct Seen {
    std::string key;
    std::string run_id;
  };
  std::string key_of(const redis::Node& node);

  std::map<std::string, Known> known_;      // by key
  std::map<redis::Address, Seen> seen_;     // which key a server had last
  std::map<int, std::string> key_in_slot_;  // finding one takes a while
};

}  // namespace quota::store
