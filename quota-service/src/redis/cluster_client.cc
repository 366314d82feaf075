#include "redis/cluster_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "redis/protocol.h"

namespace quota::redis {
namespace {

constexpr int kMostRedirects = 5;
constexpr int kMostRepetitions = 8;
constexpr int64_t kTryAgainUs = 8'000;
constexpr int64_t kBetweenRefreshesUs = 100'000;
constexpr int64_t kSweepUs = 50'000;

}  // namespace

ClusterClient::ClusterClient(ContextPtr context, ClientEvents& events)
    : BaseClient(std::move(context), events),
      next_candidate_(context_->pick(context_->options.url.addresses.size())),
      refresh_timer_(std::make_unique<Timer>(context_->loop, [this] { ask_for_slots(); })),
      sweep_timer_(std::make_unique<Timer>(context_->loop, [this] { sweep(); })),
      again_timer_(std::make_unique<Timer>(context_->loop, [this] { send_waited(); })) {
  refresh_timer_->start(0);
}

std::vector<Peer*> ClusterClient::peers() {
  std::vector<Peer*> all;
  for (const auto& [address, peer] : peers_) all.push_back(peer.get());
  return all;
}

Peer* ClusterClient::any_ready() {
  std::vector<Peer*> ready = peers();
  std::erase_if(ready, [](const Peer* peer) { return !peer->ready() || !peer->wanted; });
  return ready.empty() ? nullptr : ready[context_->pick(ready.size())];
}

Peer& ClusterClient::peer_at(const Address& address) {
  std::unique_ptr<Peer>& peer = peers_[address];
  if (!peer) {
    peer = std::make_unique<Peer>(context_, address, *this);
    peer->connect();
  }
  peer->wanted = true;
  return *peer;
}

void ClusterClient::dispatch(Attempt attempt) {
  const std::string_view key = attempt.command->key();
  if (key.empty()) {
    if (Peer* peer = any_ready()) return peer->send(std::move(attempt));
    return attempt.command->failed(Failure::kUnavailable, why_none_);
  }
  const int slot = key_slot(key);
  const Address* const primary = slots_.primary(slot);
  const auto peer = primary == nullptr ? peers_.end() : peers_.find(*primary);
  if (peer != peers_.end()) return peer->second->send(std::move(attempt));
  refresh();
  attempt.command->failed(Failure::kUnavailable,
                          slots_.primaries().empty()
                              ? why_none_
                              : fmt::format("no node is known that serves slot {}", slot));
}

std::optional<Address> ClusterClient::where_to_listen() {
  if (Peer* peer = any_ready()) return peer->node().address;
  return std::nullopt;
}

void ClusterClient::find_again(Peer& lost) {
  if (lost.wanted) lost.retry_later();
  refresh();
}

bool ClusterClient::follow(Peer& peer, Attempt& attempt, std::string_view error) {
  const std::string_view code = error_code(error);
  if (code == "CLUSTERDOWN") refresh();
  if (code != "MOVED" && code != "ASK" && code != "TRYAGAIN") return false;
  if (attempt.deadline_us == 0) {
    attempt.deadline_us = mono_us() + context_->options.command_timeout_us;
  }
  if (code == "TRYAGAIN") {
    try_again(std::move(attempt));
    return true;
  }
  const std::optional<Redirection> to = parse_redirection(error, peer.node().address);
  if (!to) {
    refresh();
    attempt.command->failed(Failure::kUnavailable, error);
    return true;
  }
  redirect(*to, code == "ASK", std::move(attempt));
  return true;
}

void ClusterClient::redirect(const Redirection& to, bool asking, Attempt attempt) {
  context_->counters->redirects.add();
  if (!asking) {
    slots_.move(to.slot, to.to);
    refresh();
  }
  if (++attempt.redirects > kMostRedirects) {
    return attempt.command->failed(Failure::kUnavailable, "the cluster redirects without an end");
  }
  attempt.asking = asking;
  peer_at(to.to).send_when_ready(std::move(attempt));
}

// Some of the keys have moved and some have not: soon, all have.
void ClusterClient::try_again(Attempt attempt) {
  const int64_t due_us = mono_us() + kTryAgainUs;
  if (++attempt.repetitions > kMostRepetitions || due_us > attempt.deadline_us) {
    return attempt.command->failed(Failure::kUnavailable, "TRYAGAIN: the keys are on their way");
  }
  context_->counters->retries.add();
  attempt.asking = false;
  attempt.redirects = 0;
  again_.push_back({due_us, std::move(attempt)});
  if (!again_timer_->active()) again_timer_->start(kTryAgainUs);
}

void ClusterClient::send_waited() {
  const int64_t now_us = mono_us();
  while (!again_.empty() && again_.front().due_us <= now_us) {
    Attempt attempt = std::move(again_.front().attempt);
    again_.pop_front();
    dispatch(std::move(attempt));
    if (closed()) return;
  }
  if (!again_.empty()) again_timer_->start(again_.front().due_us - now_us);
}

void ClusterClient::refresh() {
  if (asking_ || refresh_timer_->active()) return;
  refresh_timer_->start(std::max<int64_t>(0, asked_us_ + kBetweenRefreshesUs - mono_us()));
}

void ClusterClient::ask_for_slots() {
  asking_ = true;
  asked_us_ = mono_us();
  context_->counters->slot_refreshes.add();
  Peer* const peer = any_ready();
  if (peer == nullptr) return ask_by_scout();
  peer->ask({"CLUSTER", "SLOTS"}, [this, address = peer->node().address](const redisReply* reply) {
    if (!closed()) got_slots(address, reply, "the connection broke");
  });
}

void ClusterClient::ask_by_scout() {
  const Address address = next_candidate();
  scout_ = std::make_shared<SlotScout>(
      context_, address, [this, address](const redisReply* reply, const std::string& why) {
        end_scout();
        got_slots(address, reply, why);
      });
}

void ClusterClient::end_scout() {
  if (!scout_) return;
  scout_->close();
  discard_later(std::exchange(scout_, nullptr));
}

// The nodes of the last map and those of the URL, in turn.
Address ClusterClient::next_candidate() {
  const std::vector<Address>& known = slots_.primaries();
  const std::vector<Address>& seeds = context_->options.url.addresses;
  const size_t i = next_candidate_++ % (known.size() + seeds.size());
  return i < known.size() ? known[i] : seeds[i - known.size()];
}

void ClusterClient::got_slots(const Address& asked, const redisReply* reply,
                              const std::string& why) {
  asking_ = false;
  absl::StatusOr<SlotMap> slots = absl::UnavailableError(why);
  if (reply != nullptr) {
    slots = is_error(*reply) ? absl::UnavailableError(std::string(text_of(*reply)))
                             : SlotMap::parse(*reply, asked);
  }
  if (slots.ok()) {
    failed_candidates_ = 0;
    backoff_.reset();
    return adopt(*std::move(slots));
  }
  const std::string words =
      fmt::format("{}: {}", asked.text(), std::string(slots.status().message()));
  // Each gets its turn before there is a pause.
  const size_t candidates = slots_.primaries().size() + context_->options.url.addresses.size();
  if (++failed_candidates_ < candidates) return refresh_timer_->start(0);
  failed_candidates_ = 0;
  refresh_timer_->start(std::max(backoff_.next(*context_), kBetweenRefreshesUs));
  if (any_ready() != nullptr) return;
  why_none_ = fmt::format("no node of the cluster answers: {}", words);
  set_up(false, why_none_);
}

void ClusterClient::adopt(SlotMap slots) {
  const std::vector<Address> before = slots_.primaries();
  slots_ = std::move(slots);
  const std::vector<Address>& now = slots_.primaries();
  const auto all_in = [](const std::vector<Address>& some, const std::vector<Address>& all) {
    return std::all_of(some.begin(), some.end(), [&](const Address& address) {
      return std::find(all.begin(), all.end(), address) != all.end();
    });
  };
  if (!before.empty() && !all_in(before, now) && !all_in(now, before)) {
    context_->counters->failovers.add();
  }
  for (const auto& [address, peer] : peers_) peer->wanted = false;
  for (const Address& address : now) peer_at(address);
  retire_unwanted();
}

// What such a node was asked may still be answered; what waits goes to those that are responsible.
void ClusterClient::retire_unwanted() {
  std::deque<Attempt> moved;
  for (const auto& [address, peer] : peers_) {
    if (peer->wanted) continue;
    for (Attempt& attempt : peer->take_waiting()) moved.push_back(std::move(attempt));
  }
  sweep();
  for (Attempt& attempt : moved) {
    if (closed()) {
      attempt.command->failed(Failure::kClosed, "the client was closed");
    } else {
      dispatch(std::move(attempt));
    }
  }
}

void ClusterClient::sweep() {
  std::vector<std::unique_ptr<Peer>> gone;
  bool left = false;
  for (auto entry = peers_.begin(); entry != peers_.end();) {
    Peer& peer = *entry->second;
    left = left || (!peer.wanted && peer.busy());
    if (peer.wanted || peer.busy()) {
      ++entry;
    } else {
      gone.push_back(std::move(entry->second));
      entry = peers_.erase(entry);
    }
  }
  if (left) sweep_timer_->start(kSweepUs);
  for (auto& peer : gone) {
    discard(std::move(peer), Failure::kUnavailable, "the node has left the cluster");
  }
  if (!closed() && up() && any_ready() == nullptr) set_up(false, "the nodes have left the cluster");
}

void ClusterClient::close_parts() {
  refresh_timer_.reset();
  sweep_timer_.reset();
  again_timer_.reset();
  end_scout();
  constexpr std::string_view kWhy = "the client was closed";
  for (Waiting& waiting : std::exchange(again_, {})) {
    waiting.attempt.command->failed(Failure::kClosed, kWhy);
  }
  for (auto& [address, peer] : std::exchange(peers_, {})) {
    discard(std::move(peer), Failure::kClosed, kWhy);
  }
}

std::unique_ptr<Client> open_cluster(ContextPtr context, ClientEvents& events) {
  return std::make_unique<ClusterClient>(std::move(context), events);
}

}  // namespace quota::redis
