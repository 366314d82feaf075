#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/period.h"
#include "store/ideal_bucket.h"
#include "store/script_redis.h"

// Several quotads, one real Redis, and virtual time. A test says when a call leaves, reaches Redis
// and is answered, or does not. Whatever happens, World keeps the books and notes every violation.
namespace quota::store {

inline constexpr int64_t kSecond = 1'000'000;

class World;

// One life of one quotad: an engine, its clock and its way to Redis.
class Quotad final : public engine::Store {
 public:
  struct Counts {
    int64_t allowed = 0;
    int64_t denied = 0;
    int64_t allowed_milli = 0;
    int64_t calls = 0;
  };

  Quotad(World& world, std::string holder, engine::EngineOptions options, int64_t drift_ppm);

  Now now() const;
  engine::Engine& engine() { return *engine_; }
  const engine::Engine& engine() const { return *engine_; }
  const std::string& holder() const { return terms_.holder; }

  // True when it is allowed at once; a check that waits is counted when it is decided.
  bool ask(const engine::Charge& charge);
  void tend() { engine_->tend(now()); }
  void close() {
    is_closed_ = true;
    engine_->close(now());
  }
  // Looks at the marker, as at the start of a connection.
  void connect();

  // Calls on their way to Redis, oldest first, and answers on their way back.
  size_t calls() const { return calls_.size(); }
  size_t answers() const { return answers_.size(); }
  void send();                     // those that have not left yet leave now
  void execute(size_t i);          // reaches Redis
  void execute_twice(size_t i);    // the same bytes arrive two times
  void drop(size_t i);             // is lost on the way there; it may still arrive some day
  void execute_unheard(size_t i);  // is lost on the way back
  void deliver(size_t i);          // the answer arrives
  void deliver_all();
  // All of it at once, until nothing is left to do.
  void serve();

  void start(engine::GrantSink*) override {}
  void reserve(engine::Reserve request) override;
  void settle(engine::MonthKey month, int64_t used) override;
  void spend(engine::MonthKey month, int64_t amount) override;
  void journal(engine::MonthKey, int64_t, bool) override {}
  void reset(engine::MonthKey month) override;
  bool is_shared() const override { return true; }
  int engines() const override;
  bool healthy() const override { return true; }

  Counts counts;

 private:
  friend class World;
  struct Call {
    engine::Reserve request;
    std::string holder;
    bool is_awaited = true;
    bool is_reset = false;
    int64_t sent_us = INT64_MIN;
    int64_t void_before_us = 0;
  };
  class Caller;

  void decided(const engine::Charge& charge, const engine::Decision& decision);
  Call take_call(size_t i);
  void answer(const Call& call, engine::Grant grant);

  World& world_;
  LeaseTerms terms_;
  const int64_t drift_ppm_;
  const int64_t offset_us_;
  std::deque<Call> calls_;
  std::deque<engine::Grant> answers_;
  bool is_closed_ = false;
  uint64_t last_seq_ = 0;
  std::string birth_;  // of the marker that it knows
  int64_t void_before_us_ = 0;
  std::unique_ptr<engine::Engine> engine_;
};

class World {
 public:
  static constexpr int64_t kStartUs = 2'524'608'000LL * kSecond;  // 2050, for PEXPIREAT
  static constexpr const char* kMarker = "quota:marker";

  explicit World(size_t quotads = 1, engine::EngineOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Quotad& operator[](size_t i) { return *quotads_.at(i); }
  size_t size() const { return quotads_.size(); }
  int64_t redis_us() const { return us - behind_us; }
  void pass(int64_t some_us) { us += some_us; }
  // The process dies; another takes its place, with a new name and no memory.
  void crash(size_t i, int64_t drift_ppm = 0);

  // Redis loses everything, and does not notice.
  void empty_redis();
  // Redis is as it was at the last snapshot(), in a new process.
  void snapshot();
  void roll_back();

  // Executes a call that was lost, late.
  size_t lost_calls() const { return lost_.size(); }
  void execute_lost(size_t i);

  // Compares what the quotads hold with what Redis says. Called after each execution, too.
  void check();
  // What was violated first; empty: nothing.
  const std::string& violation() const { return violation_; }
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  int64_t allowed_milli() const { return allowed_milli_; }
  int64_t calls() const { return executed_; }

  int64_t us = kStartUs;  // the true time
  int64_t behind_us = 0;  // by so much the clock of Redis is wrong
  ScriptRedis& redis = ScriptRedis::instance();

 private:
  friend class Quotad;
  using Month = std::pair<std::string, int32_t>;

  engine::Grant execute(const Quotad::Call& call, const LeaseTerms& terms, bool& no_marker);
  void check_call(const Quotad::Call& call, const engine::Grant& grant, const MinuteState& before,
                  const MonthState& month_before);
  void admit(const engine::Charge& charge);
  void check_quotad(const Quotad& quotad);
  bool serves(const std::unique_ptr<Quotad>& quotad) const;

  engine::EngineOptions options_;
  std::vector<std::unique_ptr<Quotad>> quotads_;
  std::vector<std::pair<Quotad::Call, LeaseTerms>> lost_;
  int lives_ = 0;
  int processes_ = 1;  // of Redis
  int64_t untrusted_until_us_ = 0;
  int64_t void_before_us_ = 0;  // as the marker says
  std::map<std::string, MinuteState> minutes_;
  std::map<Month, MonthState> months_;
  std::map<std::string, IdealBucket> ideals_;
  std::map<Month, int64_t> month_allowed_;
  std::map<Month, int64_t> month_quota_;
  std::map<Month, int64_t> forgiven_;  // by a reset
  bool months_lost_ = false;           // then what a dead quotad spent may be forgotten
  struct {
    std::map<std::string, MinuteState> minutes;
    std::map<Month, MonthState> months;
    std::map<Month, int64_t> forgiven;
  } saved_;
  std::string violation_;
  int64_t allowed_milli_ = 0;
  int64_t executed_ = 0;
};

}  // namespace quota::store
