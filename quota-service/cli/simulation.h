#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "gate/gatekeeper.h"
#include "identity/full_directory.h"
#include "policy/live_policy.h"

namespace quota::cli {

// What a policy does to traffic, by the very engine that quotad has, in the time of the traffic.
class Simulation {
 public:
  // The policy is enforced, whatever its mode is, and names of consumers and tiers are believed.
  explicit Simulation(const policy::Policy& policy);
  ~Simulation();

  // Requests come in the order of their times; one that comes late counts as of now.
  void add(const identity::Check& request, int64_t unix_us);

  struct Tally {
    uint64_t requests = 0;
    uint64_t allowed = 0;
    uint64_t exempt = 0;
    uint64_t unauthenticated = 0;
    uint64_t denied_by_minute = 0;
    uint64_t denied_by_month = 0;
    uint64_t denied_otherwise = 0;  // a request that costs more than the limit ever allows
    int64_t cost_milli = 0;         // of what was allowed
    int64_t first_denial_us = 0;    // 0: none

    uint64_t denied() const { return denied_by_minute + denied_by_month + denied_otherwise; }
  };
  struct Who {
    std::string name;  // a consumer, or an address
    bool is_consumer = false;
    std::string tier;
    Tally tally;
  };

  Tally total() const;
  std::map<std::string, Tally> by_tier() const;
  // Who is denied most comes first; then who asks most.
  std::vector<Who> subjects() const;
  int64_t first_us() const { return first_us_; }
  int64_t last_us() const { return last_us_; }
  uint64_t late() const { return late_; }  // requests that came more than a second too late

 private:
  class Store;
  class Answer;

  policy::LivePolicy live_;
  std::unique_ptr<Store> store_;
  engine::Engine engine_;
  identity::FullDirectory directory_;
  gate::Gatekeeper gatekeeper_;
  std::map<std::string, Who> subjects_;  // by Subject::key
  int64_t first_us_ = 0;
  int64_t last_us_ = 0;
  int64_t tended_us_ = 0;
  uint64_t late_ = 0;
};

}  // namespace quota::cli
