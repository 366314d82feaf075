// One client request and its decision.
//
// It lives in the request's pool from the check to the log line. Internal redirects wipe nginx's
// own table of module contexts, so that it is found again through its pool cleanup.
#pragma once

#include <optional>

#include "config.h"
#include "ngx.h"
#include "outcome.h"
#include "waiter.h"

namespace quota {

class Request final : private Waiter {
 public:
  // The decision's request for `r` or the request `r` is a part of; nullptr if it has none.
  static Request* find(ngx_http_request_t* r);

  // nullptr when there is no memory left.
  static Request* create(ngx_http_request_t* r, const LocationConfig* config);

  Request(ngx_http_request_t* r, const LocationConfig* config) : r_(r), config_(config) {}

  // Asks the sidecar. Afterwards the request is pending(), or decided for want of an answer.
  void ask() noexcept;

  // The client has not had its verdict yet.
  bool pending() const { return waiting(); }
  bool decided() const { return outcome_.has_value(); }

  // True the first time it is asked: a decision is carried out once, wherever error_page,
  // try_files or a named location take the request afterwards.
  bool take_enforcement();

  const LocationConfig& config() const { return *config_; }

  // The following are for decided requests.
  Outcome outcome() const { return *outcome_; }
  // The request is answered here instead of being let through.
  bool refused() const;
  // What the sidecar said; nullptr if it said nothing. Its texts live as long as the request.
  const Verdict* verdict() const { return verdict_ ? &*verdict_ : nullptr; }
  // The verdict's reason, or why there is none.
  std::string_view reason() const { return reason_; }
  uint64_t wait_us() const { return wait_us_; }
  // How long the client had better wait before it tries again.
  uint64_t retry_after_s() const;

 private:
  static void forget(void* request) noexcept;

  void on_verdict(const Verdict& verdict, uint64_t now_us) noexcept override;
  void on_failure(Failure failure) noexcept override;

  bool try_ask();
  void decide_without_verdict(Failure failure);
  Outcome outcome_without_verdict();
  void decide(Outcome outcome, uint64_t now_us);
  void wake();
  bool keep(const Verdict& verdict);
  void log_failure(Failure failure);
  void log_refusal();

  ngx_http_request_t* r_;
  const LocationConfig* config_;
  bool enforced_ = false;
  bool asked_ = false;
  std::optional<Outcome> outcome_;
  std::optional<Verdict> verdict_;
  std::string_view reason_;
  uint64_t asked_us_ = 0;
  uint64_t wait_us_ = 0;
  uint64_t local_retry_us_ = 0;
};

}  // namespace quota
