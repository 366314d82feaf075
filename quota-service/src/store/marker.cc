#include "store/marker.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <random>

#include "absl/strings/numbers.h"
#include "store/scripts.h"

namespace quota::store {
namespace {

absl::StatusOr<int64_t> number(const redisReply& reply) {
  int64_t value = 0;
  if (reply.type == REDIS_REPLY_INTEGER) return reply.integer;
  if (reply.type == REDIS_REPLY_STRING &&
      absl::SimpleAtoi(std::string(reply.str, reply.len), &value)) {
    return value;
  }
  return absl::InternalError("the marker script answered with something that is no number");
}

}  // namespace

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
    words.add(fmt::format("{}", presence_us_));
  }

  void answered(const redisReply& reply, int64_t) override {
    if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 4 ||
        reply.element[0]->type != REDIS_REPLY_STRING) {
      return done_(absl::InternalError("the marker script answered in another form than expected"));
    }
    const auto reset = number(*reply.element[1]);
    const auto now = number(*reply.element[2]);
    const auto engines = number(*reply.element[3]);
    if (!reset.ok() || !now.ok() || !engines.ok()) {
      return done_(absl::InternalError("the marker script answered in another form than expected"));
    }
    Known& known = marker_.known_[key_];
    State state{.engines = static_cast<int>(std::max<int64_t>(*engines, 1))};
    state.is_new_reset = !known.born.empty() && *reset != known.reset_us;
    known.born = std::string(reply.element[0]->str, reply.element[0]->len);
    known.reset_us = *reset;
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
};

std::unique_ptr<redis::Command> Marker::ask(const redis::Node&, Done done) {
  return std::make_unique<Call>(*this, std::string(kMarkerKey), presence_us_, std::move(done));
}

std::unique_ptr<redis::Command> Marker::leave(const redis::Node&, Done done) {
  return std::make_unique<Call>(*this, std::string(kMarkerKey), 0, std::move(done));
}

}  // namespace quota::store
