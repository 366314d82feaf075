#include "store/marker.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <random>

#include "absl/strings/numbers.h"
#include "redis/key_slot.h"
#include "redis/protocol.h"
#include "store/scripts.h"

namespace quota::store {
namespace {

absl::StatusOr<int64_t> number(const redisReply& reply) {
  int64_t value = 0;
  if (reply.type == REDIS_REPLY_INTEGER) return reply.integer;
  if (redis::is_text(reply) && absl::SimpleAtoi(std::string(redis::text_of(reply)), &value)) {
    return value;
  }
  return absl::InternalError("the marker script answered with something that is no number");
}

absl::Status strange_answer() {
  return absl::InternalError("the marker script answered in another form than expected");
}

}  // namespace

// Up to 148,000 numbers are tried, on the thread that everybody waits for: none becomes a string
// before it is the right one.
std::string marker_key_in(int slot) {
  std::array<char, 16> hashed{'m'};
  for (int i = 0;; ++i) {
    const char* const end = std::to_chars(hashed.data() + 1, hashed.data() + hashed.size(), i).ptr;
    const std::string_view tag(hashed.data(), static_cast<size_t>(end - hashed.data()));
    if (redis::key_slot(tag) == slot) return fmt::format("quota:{{{}}}:marker", tag);
  }
}

class Marker::Call final : public redis::Command {
 public:
  Call(Marker& marker, std::string key, int64_t presence_us, Done done)
      : marker_(marker), key_(std::move(key)), presence_us_(presence_us), done_(std::move(done)) {}

  std::string_view key() const override { return key_; }
  const redis::Script* script() const override {
    static const redis::Script script{kMarkerLua, std::string(kMarkerLuaSha1)};
    return &script;
  }

  void write(const redis::Node& node, redis::Words& words) override {
    static std::random_device random;
    words.add("1").add(key_).add(marker_.holder_).add(node.run_id);
    words.add(marker_.known_[key_].born).add(fmt::format("{:08x}{:08x}", random(), random()));
    words.add(presence_us_);
    const auto seen = marker_.seen_.find(node.address);
    const bool moved = seen != marker_.seen_.end() && seen->second.run_id == node.run_id &&
                       seen->second.key != key_;
    if (moved) {
      words.add(marker_.known_[seen->second.key].reset_us);
    } else {
      words.add("");
    }
    address_ = node.address;
    run_id_ = node.run_id;
    is_moved_ = moved;
  }

  void answered(const redisReply& reply, int64_t) override {
    if (!redis::is_array(reply) || reply.elements != 4 || !redis::is_text(*reply.element[0])) {
      return done_(strange_answer());
    }
    const auto reset = number(*reply.element[1]);
    const auto now = number(*reply.element[2]);
    const auto engines = number(*reply.element[3]);
    if (!reset.ok() || !now.ok() || !engines.ok()) return done_(strange_answer());
    State state{.engines = static_cast<int>(std::max<int64_t>(*engines, 1))};
    // Another call may have brought the news already.
    const Known& known = marker_.known_[key_];
    state.is_new_reset = !is_moved_ && !known.born.empty() && *reset != known.reset_us;
    marker_.known_[key_] = {std::string(redis::text_of(*reply.element[0])), *reset};
    marker_.seen_[address_] = {key_, run_id_};
    if (*reset > 0) {
      state.void_before_us = *reset + marker_.ttl_us_;
      state.pause_us = std::max<int64_t>(0, state.void_before_us - *now);
    }
    done_(state);
  }

  void failed(redis::Failure, std::string_view words) override {
    done_(absl::UnavailableError(std::string(words)));
  }

 private:
  Marker& marker_;
  const std::string key_;
  const int64_t presence_us_;
  const Done done_;
  // As they were when the call was written.
  redis::Address address_;
  std::string run_id_;
  bool is_moved_ = false;
};

std::string Marker::key_of(const redis::Node& node) {
  if (!is_cluster_) return std::string(kMarkerKey);
  std::string& key = key_in_slot_[node.slot];
  if (key.empty()) key = marker_key_in(node.slot);
  return key;
}

std::unique_ptr<redis::Command> Marker::ask(const redis::Node& node, Done done) {
  return std::make_unique<Call>(*this, key_of(node), presence_us_, std::move(done));
}

std::unique_ptr<redis::Command> Marker::leave(const redis::Node& node, Done done) {
  return std::make_unique<Call>(*this, key_of(node), 0, std::move(done));
}

}  // namespace quota::store
