#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "redis/key_slot.h"
#include "redis/url.h"

struct redisReply;

namespace quota::redis {

// Which primary of a cluster has which slot.
class SlotMap {
 public:
  // The answer to CLUSTER SLOTS of the server at `asked`.
  static absl::StatusOr<SlotMap> parse(const redisReply& reply, const Address& asked);

  // None where the slot has no owner.
  const Address* primary(int slot) const;
  const std::vector<Address>& primaries() const { return primaries_; }
  void move(int slot, const Address& to);

 private:
  int16_t index_of(const Address& address);

  std::vector<int16_t> owners_ = std::vector<int16_t>(kSlots, -1);
  std::vector<Address> primaries_;
};

// What "MOVED 3999 10.0.0.2:6379" or an ASK says; nothing if that makes no sense.
struct Redirection {
  int slot = 0;
  Address to;
};
std::optional<Redirection> parse_redirection(std::string_view error, const Address& asked);

}  // namespace quota::redis
