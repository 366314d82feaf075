#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "redis/base_client.h"
#include "redis/sentinel_watch.h"

namespace quota::redis {
namespace {

// The server that the sentinels call primary.
class SentinelClient final : public BaseClient {
 public:
  SentinelClient(ContextPtr context, ClientEvents& events)
      : BaseClient(std::move(context), events),
        watch_(std::make_shared<SentinelWatch>(
            context_, [this](const Address& primary) { on_primary(primary); },
            [this](const std::string& why) { on_failure(why); })),
        ask_again_(std::make_unique<Timer>(context_->loop, [this] { watch_->ask(); })) {
    watch_->ask();
  }
  ~SentinelClient() override { close(nullptr); }

 private:
  std::vector<Peer*> peers() override {
    return peer_ ? std::vector<Peer*>{peer_.get()} : std::vector<Peer*>{};
  }

  void dispatch(Attempt attempt) override {
    if (peer_) return peer_->send(std::move(attempt));
    attempt.command->failed(Failure::kUnavailable, why_none_);
  }

  std::optional<Address> where_to_listen() override {
    if (!peer_) return std::nullopt;
    return peer_->node().address;
  }

  // Not there again before a sentinel says that it still is the primary: an old one that comes back
  // takes writes until it is told, and forgets them then.
  void find_again(Peer& lost) override { ask_again_->start(lost.next_delay_us()); }

  void on_primary(const Address& primary) {
    if (peer_ && peer_->node().address == primary) {
      peer_->connect();
      return;
    }
    if (peer_) {
      context_->counters->failovers.add();
      spdlog::warn("redis {}: the primary is now {}, no longer {}", context_->options.url.master,
                   primary.text(), peer_->node().address.text());
    }
    std::unique_ptr<Peer> old =
        std::exchange(peer_, std::make_unique<Peer>(context_, primary, *this));
    peer_->connect();
    if (old) {
      set_up(false, "the primary has moved");
      discard(std::move(old), Failure::kUnavailable, "the primary has moved");
    }
    if (!closed()) move_subscriptions();
  }

  void on_failure(const std::string& why) {
    if (peer_ && peer_->ready()) return;
    why_none_ = fmt::format("no primary known: {}", why);
    set_up(false, why_none_);
  }

  void close_parts() override {
    ask_again_.reset();
    const std::shared_ptr<SentinelWatch> watch = std::exchange(watch_, nullptr);
    watch->close();
    discard_later(watch);
    if (peer_) discard(std::move(peer_), Failure::kClosed, "the client was closed");
  }

  std::unique_ptr<Peer> peer_;
  std::shared_ptr<SentinelWatch> watch_;
  std::unique_ptr<Timer> ask_again_;
  std::string why_none_ = "no primary known yet";
};

}  // namespace

std::unique_ptr<Client> open_sentinel(ContextPtr context, ClientEvents& events) {
  return std::make_unique<SentinelClient>(std::move(context), events);
}

}  // namespace quota::redis
