#include "redis/slot_map.h"

#include <algorithm>
#include <charconv>

#include "redis/protocol.h"

namespace quota::redis {
namespace {

bool is_port(int64_t port) { return port >= 1 && port <= 65535; }
bool is_slot(int64_t slot) { return slot >= 0 && slot < kSlots; }

// Without a name of its own, a server is at the address it was asked at; "?" is nowhere.
std::string host_or(std::string_view host, const Address& asked) {
  return std::string(host.empty() ? std::string_view(asked.host) : host);
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_integer(const redisReply& reply) { return reply.type == REDIS_REPLY_INTEGER; }

}  // namespace

absl::StatusOr<SlotMap> SlotMap::parse(const redisReply& reply, const Address& asked) {
  if (!is_array(reply)) return absl::UnavailableError("CLUSTER SLOTS was not answered with a list");
  SlotMap map;
  for (size_t i = 0; i < reply.elements; ++i) {
    // First slot, last slot, the primary and then its replicas.
    const redisReply& range = *reply.element[i];
    if (!is_array(range) || range.elements < 3 || !is_integer(*range.element[0]) ||
        !is_integer(*range.element[1]) || !is_array(*range.element[2]) ||
        range.element[2]->elements < 2 || !is_integer(*range.element[2]->element[1])) {
      return absl::UnavailableError("CLUSTER SLOTS gives something else than ranges");
    }
    const int64_t first = range.element[0]->integer;
    const int64_t last = range.element[1]->integer;
    const int64_t port = range.element[2]->element[1]->integer;
    const std::string host = host_or(text_of(*range.element[2]->element[0]), asked);
    if (!is_slot(first) || !is_slot(last) || first > last || !is_port(port) || host == "?") {
      continue;
    }
    const int16_t index = map.index_of({host, static_cast<int>(port)});
    std::fill(map.owners_.begin() + first, map.owners_.begin() + last + 1, index);
  }
  if (map.primaries_.empty()) return absl::UnavailableError("no slots are served");
  return map;
}

int16_t SlotMap::index_of(const Address& address) {
  const auto found = std::find(primaries_.begin(), primaries_.end(), address);
  const auto index = static_cast<int16_t>(found - primaries_.begin());
  if (found == primaries_.end()) primaries_.push_back(address);
  return index;
}

const Address* SlotMap::primary(int slot) const {
  const int16_t owner = owners_[static_cast<size_t>(slot)];
  return owner < 0 ? nullptr : &primaries_[static_cast<size_t>(owner)];
}

void SlotMap::move(int slot, const Address& to) {
  owners_[static_cast<size_t>(slot)] = index_of(to);
}

std::optional<Redirection> parse_redirection(std::string_view error, const Address& asked) {
  const size_t first = error.find(' ');
  const size_t second = first == error.npos ? error.npos : error.find(' ', first + 1);
  const size_t colon = error.rfind(':');
  if (second == error.npos || colon == error.npos || colon < second) return std::nullopt;
  const std::optional<int> slot = number(error.substr(first + 1, second - first - 1));
  const std::optional<int> port = number(error.substr(colon + 1));
  const std::string host = host_or(error.substr(second + 1, colon - second - 1), asked);
  if (!slot || !is_slot(*slot) || !port || !is_port(*port) || host == "?") return std::nullopt;
  return Redirection{*slot, {host, *port}};
}

}  // namespace quota::redis
