#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "engine/store.h"

namespace quota::engine {

// For tests: a store that answers when it is told to, and can fail.
class FakeStore final : public Store {
 public:
  using Key = std::pair<std::string, int32_t>;

  void start(GrantSink* sink) override { sink_ = sink; }
  void reserve(Reserve request) override { queue_.emplace_back(std::move(request)); }
  void settle(MonthKey month, int64_t used) override {
    queue_.emplace_back(std::make_pair(std::move(month), used));
  }
  void spend(MonthKey month, int64_t amount) override {
    queue_.emplace_back(Spend{std::move(month), amount});
  }
  void journal(MonthKey, int64_t, bool) override {}
  void reset(MonthKey month) override { settle(std::move(month), 0); }
  bool healthy() const override { return healthy_; }

  void set_healthy(bool healthy) { healthy_ = healthy; }
  // Reserves are answered with "could not be asked".
  void set_failing(bool failing) { failing_ = failing; }
  size_t queued() const { return queue_.size(); }
  size_t reserves() const { return reserves_; }

  // Carries out everything queued and delivers the grants.
  void answer(Now now) {
    while (!queue_.empty()) {
      std::vector<Grant> grants;
      for (; !queue_.empty(); queue_.pop_front()) {
        if (const auto* reserve = std::get_if<Reserve>(&queue_.front())) {
          ++reserves_;
          grants.push_back(grant(*reserve));
        } else if (const auto* spent = std::get_if<Spend>(&queue_.front())) {
          marks[{spent->month.subject, spent->month.period}] += spent->amount;
        } else {
          const auto& [month, used] = std::get<Settle>(queue_.front());
          marks[{month.subject, month.period}] = used;
        }
      }
      if (sink_ != nullptr) sink_->on_grants(grants, now);
    }
  }

  std::map<Key, int64_t> marks;

 private:
  using Settle = std::pair<MonthKey, int64_t>;
  struct Spend {
    MonthKey month;
    int64_t amount;
  };

  Grant grant(const Reserve& reserve) {
    Grant grant{.month = reserve.month, .seq = reserve.seq};
    if (failing_) return grant;
    int64_t& mark = marks[{reserve.month.subject, reserve.month.period}];
    grant.ok = true;
    grant.used = reserve.used < 0 ? mark : reserve.used;
    mark = std::max(
        mark, grant.used + grant_size(reserve.limit, grant.used, reserve.cost, reserve.demand));
    grant.mark = mark;
    return grant;
  }

  GrantSink* sink_ = nullptr;
  bool healthy_ = true;
  bool failing_ = false;
  size_t reserves_ = 0;
  std::deque<std::variant<Reserve, Settle, Spend>> queue_;
};

// Keeps what it is told.
struct Answers {
  std::vector<Decision> decisions;
};

class RecordingWaiter final : public Waiter {
 public:
  RecordingWaiter(Charge charge, Answers& answers)
      : subject_(charge.subject), charge_(charge), answers_(answers) {
    charge_.subject = subject_;
  }
  const Charge& charge() const override { return charge_; }
  void decided(const Decision& decision) override { answers_.decisions.push_back(decision); }

 private:
  std::string subject_;
  Charge charge_;
  Answers& answers_;
};

}  // namespace quota::engine
