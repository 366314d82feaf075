#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rls/desk.h"
#include "rls/options.h"
#include "rpc/door.h"

namespace quota::rls {

// Envoy's rate limit service, decided by the same deciders as quota.v1.
class RateLimitDoor final : public rpc::Door {
 public:
  explicit RateLimitDoor(const Options& options) : options_(options) {}

  grpc::Service& service() override { return service_; }
  std::string name() const override {
    return envoy::service::ratelimit::v3::RateLimitService::service_full_name();
  }
  void open(rpc::Queue& queue) override {
    desks_.push_back(std::make_unique<Desk>(service_, queue, options_));
    desks_.back()->open();
  }

 private:
  const Options options_;
  Service service_;
  std::vector<std::unique_ptr<Desk>> desks_;
};

}  // namespace quota::rls
