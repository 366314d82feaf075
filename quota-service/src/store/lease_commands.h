#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "store/lease_call.h"

// The commands that the Redis store sends.
namespace quota::store {

// One call of the lease script.
class LeaseCall final : public redis::Command {
 public:
  struct Outcome {
    const engine::Reserve& request;
    absl::StatusOr<engine::Grant> grant;
    int64_t sent_us = 0;
    std::optional<redis::Failure> failure = {};
    bool is_marker_missing = false;
  };
  using Done = std::function<void(const Outcome&)>;

  // `seq` is the number on the wire: it rises over all calls of this process.
  LeaseCall(const LeaseTerms& terms, std::string holder, engine::Reserve request, uint64_t seq,
            Done done);

  std::string_view key() const override { return key_; }
  const redis::Script* script() const override;
  void write(const redis::Node& node, redis::Words& words) override;
  void answered(const redisReply& reply, int64_t first_sent_us) override;
  void failed(redis::Failure failure, std::string_view words) override;

 private:
  const LeaseTerms& terms_;
  const std::string holder_;
  const engine::Reserve request_;
  const uint64_t seq_;
  const Done done_;
  const std::string key_;
};

// Has the server keep a script.
class LoadCall final : public redis::Command {
 public:
  explicit LoadCall(std::string_view script) : script_(script) {}

  std::string_view key() const override { return {}; }
  void write(const redis::Node&, redis::Words& words) override {
    words.add("SCRIPT").add("LOAD").add(script_);
  }
  void answered(const redisReply&, int64_t) override {}
  // It is sent whole, then, by the first call that needs it.
  void failed(redis::Failure, std::string_view) override {}

 private:
  const std::string_view script_;
};

// A subject starts anew.
class ResetCall final : public redis::Command {
 public:
  explicit ResetCall(const engine::MonthKey& month);

  std::string_view key() const override { return minute_key_; }
  const redis::Script* script() const override;
  void write(const redis::Node& node, redis::Words& words) override;
  void answered(const redisReply&, int64_t) override {}
  void failed(redis::Failure failure, std::string_view words) override;

 private:
  const std::string minute_key_;
  const std::string month_key_;
};

// What is used of a month, or leased out.
class MonthCall final : public redis::Command {
 public:
  using Done = std::function<void(absl::StatusOr<int64_t>)>;
  MonthCall(const engine::MonthKey& month, Done done)
      : key_(month_key(month)), done_(std::move(done)) {}

  std::string_view key() const override { return key_; }
  void write(const redis::Node& node, redis::Words& words) override;
  void answered(const redisReply& reply, int64_t first_sent_us) override;
  void failed(redis::Failure failure, std::string_view words) override;

 private:
  const std::string key_;
  const Done done_;
};

}  // namespace quota::store
