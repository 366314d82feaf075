#include <utility>

#include "redis/base_client.h"

namespace quota::redis {
namespace {

// The server of the URL, whatever happens.
class SingleClient final : public BaseClient {
 public:
  SingleClient(ContextPtr context, ClientEvents& events)
      : BaseClient(std::move(context), events),
        peer_(std::make_unique<Peer>(context_, context_->options.url.addresses.front(), *this)) {
    peer_->connect();
  }
  ~SingleClient() override { close(nullptr); }

 private:
  std::vector<Peer*> peers() override { return {peer_.get()}; }
  void dispatch(Attempt attempt) override { peer_->send(std::move(attempt)); }
  std::optional<Address> where_to_listen() override { return peer_->node().address; }
  void find_again(Peer& lost) override { lost.retry_later(); }
  void close_parts() override {
    discard(std::move(peer_), Failure::kClosed, "the client was closed");
  }

  std::unique_ptr<Peer> peer_;
};

}  // namespace

std::unique_ptr<Client> open_single(ContextPtr context, ClientEvents& events) {
  return std::make_unique<SingleClient>(std::move(context), events);
}

}  // namespace quota::redis
