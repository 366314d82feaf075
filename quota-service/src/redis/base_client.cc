#include "redis/base_client.h"

#include <utility>

#include "redis/protocol.h"

namespace quota::redis {

BaseClient::BaseClient(ContextPtr context, ClientEvents& events)
    : context_(std::move(context)),
      events_(events),
      counters_(context_->counters),
      loop_(context_->loop) {}

void BaseClient::send(std::unique_ptr<Command> command) {
  if (closed()) return command->failed(Failure::kClosed, "the client is closed");
  Attempt attempt;
  attempt.command = std::move(command);
  dispatch(std::move(attempt));
}

void BaseClient::subscribe(std::string channel, std::function<void(std::string_view)> on_message,
                           std::function<void()> on_subscribed) {
  if (closed()) return;
  Subscription::Options options;
  options.channel = std::move(channel);
  options.where = [this] { return where_to_listen(); };
  options.on_message = std::move(on_message);
  options.on_subscribed = std::move(on_subscribed);
  subscriptions_.push_back(std::make_unique<Subscription>(context_, std::move(options)));
}

void BaseClient::move_subscriptions() {
  for (const auto& subscription : subscriptions_) subscription->move();
}

void BaseClient::for_each_node(std::function<void(Node&)> visit) {
  if (closed()) return;
  for (Peer* peer : peers()) {
    if (peer->ready()) visit(peer->node());
  }
}

void BaseClient::close(std::function<void()> done) {
  if (closed()) {
    if (done) done();
    return;
  }
  const ContextPtr context = std::exchange(context_, nullptr);
  context->loop->ended = std::move(done);
  for (auto& subscription : std::exchange(subscriptions_, {})) {
    subscription->close();
    destroy_later(context->loop, std::shared_ptr<Subscription>(std::move(subscription)));
  }
  // Whoever called may still need the context.
  destroy_later(context->loop, context);
  close_parts();
}

Client::Counters BaseClient::counters() const {
  return {.connects = counters_->connects.value(),
          .connect_failures = counters_->connect_failures.value(),
          .timeouts = counters_->timeouts.value(),
          .redirects = counters_->redirects.value(),
          .retries = counters_->retries.value(),
          .failovers = counters_->failovers.value(),
          .slot_refreshes = counters_->slot_refreshes.value()};
}

void BaseClient::discard(std::unique_ptr<Peer> peer, Failure failure, std::string_view why) {
  Peer& closing = *peer;
  discard_later(std::move(peer));
  closing.close(failure, why);
}

void BaseClient::discard_later(std::shared_ptr<void> part) {
  destroy_later(loop_.lock(), std::move(part));
}

void BaseClient::set_up(bool up, std::string_view why) {
  if (up_ == up) return;
  up_ = up;
  events_.on_up(up, why);
}

void BaseClient::peer_ready(Peer& peer) { set_up(true, peer.node().address.text()); }

void BaseClient::peer_lost(Peer& peer, const std::string& why) {
  if (closed()) return;
  bool any = false;
  for (const Peer* other : peers()) any = any || other->ready();
  if (!any) set_up(false, why);
  if (!closed()) find_again(peer);
}

bool BaseClient::follow(Peer&, Attempt&, std::string_view) { return false; }

void BaseClient::peer_answered(Peer& peer, Attempt attempt, const redisReply& reply) {
  Command& command = *attempt.command;
  if (!is_error(reply)) return command.answered(reply, attempt.first_sent_us);

  const std::string_view error = text_of(reply);
  const std::string_view code = error_code(error);
  if (code == "NOSCRIPT" && command.script() != nullptr && !attempt.as_eval) {
    attempt.as_eval = true;
    counters_->retries.add();
    return peer.send_again(std::move(attempt));
  }
  if (!attempt.pinned && follow(peer, attempt, error)) return;
  if (code == "READONLY" || code == "MASTERDOWN") {
    const std::string why(error);
    command.failed(Failure::kUnavailable, why);
    return peer.drop(Failure::kUnavailable, why);
  }
  const bool later =
      code == "LOADING" || code == "BUSY" || code == "CLUSTERDOWN" || code == "TRYAGAIN";
  command.failed(later ? Failure::kUnavailable : Failure::kRefused, error);
}

std::unique_ptr<Client> Client::open(uv_loop_t* loop, ClientOptions options, ClientEvents& events) {
  auto context = std::make_shared<Context>(std::make_shared<Loop>(loop), std::move(options));
  context->tls = Tls::load_or_fail_later(context->options);
  switch (context->options.url.topology) {
    case Topology::kSentinel:
      return open_sentinel(std::move(context), events);
    case Topology::kCluster:
      return open_cluster(std::move(context), events);
    case Topology::kSingle:
      break;
  }
  return open_single(std::move(context), events);
}

}  // namespace quota::redis
