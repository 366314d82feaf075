#include "redis/subscription.h"

#include <utility>

#include "redis/greeting.h"
#include "redis/protocol.h"

namespace quota::redis {

Subscription::Subscription(ContextPtr context, Options options)
    : context_(std::move(context)),
      options_(std::move(options)),
      retry_(context_->loop, [this] { connect(); }) {
  retry_.start(0);
}

void Subscription::connect() {
  if (closed_ || connection_) return;
  const std::optional<Address> address = options_.where();
  if (!address) return retry_.start(backoff_.next(*context_));
  connection_ = std::make_unique<Connection>(context_, *address, *this);
}

void Subscription::move() {
  if (closed_) return;
  if (connection_) {
    const std::optional<Address> address = options_.where();
    if (!address || *address == connection_->address()) return;
    connection_->cut();
    end_connection();
  }
  backoff_.reset();
  retry_.start(0);
}

void Subscription::close() {
  closed_ = true;
  retry_.stop();
  if (!connection_) return;
  connection_->cut();
  end_connection();
}

void Subscription::end_connection() {
  destroy_later(context_->loop, std::shared_ptr<Connection>(std::move(connection_)));
}

void Subscription::connection_opened() {
  authenticate(
      *connection_, context_->options, options_.is_sentinel, [this](const absl::Status& status) {
        if (!status.ok()) {
          return connection_->lose(Failure::kUnavailable, std::string(status.message()));
        }
        connection_->listen(options_.channel, options_.on_message, [this](const redisReply* reply) {
          if (reply == nullptr || is_error(*reply)) return;
          connection_->established();
          backoff_.reset();
          if (options_.on_subscribed) options_.on_subscribed();
        });
      });
}

void Subscription::connection_answered(Attempt, const redisReply&) {}

void Subscription::connection_lost(Failure, const std::string&, std::deque<InFlight>) {
  end_connection();
  retry_.start(backoff_.next(*context_));
}

}  // namespace quota::redis
