#include "redis/sentinel_watch.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "absl/strings/str_split.h"
#include "redis/greeting.h"
#include "redis/protocol.h"

namespace quota::redis {
namespace {

constexpr int64_t kAskAgainUs = 1'000'000;

std::optional<Address> parse_address(std::string_view host, std::string_view port) {
  Address address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  if (host.empty() || address.port < 1 || address.port > 65535) return std::nullopt;
  return address;
}

}  // namespace

SentinelWatch::SentinelWatch(ContextPtr context, OnPrimary on_primary, OnFailure on_failure)
    : context_(std::move(context)),
      on_primary_(std::move(on_primary)),
      on_failure_(std::move(on_failure)),
      retry_(context_->loop, [this] { ask(); }) {
  Subscription::Options options;
  options.channel = "+switch-master";
  options.where = [this] { return sentinel(); };
  options.on_message = [this](std::string_view message) { listened(message); };
  // A switch may have been missed.
  options.on_subscribed = [this] { ask(); };
  options.is_sentinel = true;
  subscription_ = std::make_unique<Subscription>(context_, std::move(options));
}

const Address& SentinelWatch::sentinel() const {
  const std::vector<Address>& all = context_->options.url.addresses;
  return all[current_ % all.size()];
}

void SentinelWatch::ask() {
  if (closed_) return;
  retry_.stop();
  wanted_ = true;
  if (!connection_) {
    open_ = asked_ = false;
    connection_ = std::make_unique<Connection>(context_, sentinel(), *this);
  } else if (open_ && !asked_) {
    ask_connected();
  }
}

void SentinelWatch::connection_opened() {
  authenticate(*connection_, context_->options, true, [this](const absl::Status& status) {
    if (!status.ok()) {
      return connection_->lose(Failure::kUnavailable, std::string(status.message()));
    }
    open_ = true;
    connection_->established();
    if (wanted_) ask_connected();
  });
}

void SentinelWatch::ask_connected() {
  asked_ = true;
  connection_->ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", context_->options.url.master},
                   [this](const redisReply* reply) {
                     if (reply != nullptr) answered(*reply);
                   });
}

void SentinelWatch::answered(const redisReply& reply) {
  asked_ = false;
  std::optional<Address> primary;
  if (is_array(reply) && reply.elements == 2) {
    primary = parse_address(text_of(*reply.element[0]), text_of(*reply.element[1]));
  }
  if (!primary) {
    const std::string why = is_error(reply)
                                ? without_secret(text_of(reply), context_->options.url.password)
                                : fmt::format("it knows no {}", context_->options.url.master);
    return connection_->lose(Failure::kUnavailable, why);
  }
  wanted_ = false;
  failed_in_turn_ = 0;
  on_primary_(*primary);
}

// "<name> <old host> <old port> <new host> <new port>"
void SentinelWatch::listened(std::string_view message) {
  const std::vector<std::string> words =
      absl::StrSplit(absl::string_view(message.data(), message.size()), ' ');
  if (words.size() != 5 || words[0] != context_->options.url.master) return;
  if (const std::optional<Address> primary = parse_address(words[3], words[4])) {
    on_primary_(*primary);
  }
}

void SentinelWatch::connection_lost(Failure, const std::string& why, std::deque<InFlight>) {
  end_connection();
  next_sentinel(fmt::format("sentinel {}: {}", sentinel().text(), why));
}

void SentinelWatch::next_sentinel(const std::string& why) {
  ++current_;
  subscription_->move();
  if (++failed_in_turn_ < context_->options.url.addresses.size()) return retry_.start(0);
  failed_in_turn_ = 0;
  retry_.start(kAskAgainUs);
  if (wanted_) on_failure_(why);
}

void SentinelWatch::end_connection() {
  open_ = asked_ = false;
  destroy_later(context_->loop, std::shared_ptr<Connection>(std::move(connection_)));
}

void SentinelWatch::connection_answered(Attempt, const redisReply&) {}

void SentinelWatch::close() {
  closed_ = true;
  retry_.stop();
  subscription_->close();
  if (!connection_) return;
  connection_->cut();
  end_connection();
}

}  // namespace quota::redis
