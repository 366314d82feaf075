#include "request.h"

#include <exception>
#include <new>

#include "address.h"
#include "clock.h"
#include "worker.h"

namespace quota {
namespace {

constexpr size_t kMaxMethod = 64;
constexpr uint64_t kMicrosecondsPerSecond = 1'000'000;

std::string_view reason_for(Failure failure) {
  switch (failure) {
    case Failure::kTimeout:
      return "timeout";
    case Failure::kUnavailable:
      return "unavailable";
  }
  return {};
}

const char* aftermath_of(OnError on_error) {
  switch (on_error) {
    case OnError::kAllow:
      return "request allowed";
    case OnError::kDeny:
      return "request denied";
    case OnError::kLocal:
      return "request counted locally";
  }
  return "";
}

}  // namespace

Request* Request::find(ngx_http_request_t* r) {
  r = r->main;
  if (void* request = ngx_http_get_module_ctx(r, ngx_http_quota_module)) {
    return static_cast<Request*>(request);
  }
  if (!r->internal && !r->filter_finalize) return nullptr;
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup; cleanup = cleanup->next) {
    if (cleanup->handler != forget) continue;
    ngx_http_set_ctx(r, cleanup->data, ngx_http_quota_module);
    return static_cast<Request*>(cleanup->data);
  }
  return nullptr;
}

Request* Request::create(ngx_http_request_t* r, const LocationConfig* config) {
  // One cleanup both finds the request again and, when the pool dies, takes it off the client's
  // hands. It runs after the log line has been written, before any memory is freed.
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(Request));
  if (cleanup == nullptr) return nullptr;
  auto* request = new (cleanup->data) Request(r, config);
  cleanup->handler = forget;
  ngx_http_set_ctx(r, request, ngx_http_quota_module);
  return request;
}

void Request::forget(void* data) noexcept {
  auto* request = static_cast<Request*>(data);
  Client* client = worker_client();  // gone when the worker is being ended
  if (client != nullptr && request->waiting()) client->forget(request);
}

void Request::ask() noexcept {
  try {
    if (try_ask()) return;
  } catch (const std::exception&) {
    ngx_log_error(NGX_LOG_ALERT, r_->connection->log, 0, "quota: no memory for a check");
  }
  decide_without_verdict(Failure::kUnavailable);
}

bool Request::try_ask() {
  Client* client = worker_client();
  if (client == nullptr) return false;
  Facts& facts = worker_facts();
  facts.gather(r_, config_->attributes());
  Check check{
      .id = 0,  // the client's to give
      .method = view(r_->method_name).substr(0, kMaxMethod),
      .path = view(r_->uri).substr(0, kMaxText),
      .client_ip = client_address(r_),
      .facts = facts.get(),
  };
  asked_us_ = monotonic_us();
  asked_ = client->ask(&check, this, config_->timeout);
  return asked_;
}

bool Request::take_enforcement() {
  const bool first = !enforced_;
  enforced_ = true;
  return first;
}

bool Request::refused() const {
  switch (*outcome_) {
    case Outcome::kDenied:
    case Outcome::kUnauthenticated:
    case Outcome::kErrorDenied:
    case Outcome::kLocalDenied:
      return true;
    default:
      return false;
  }
}

uint64_t Request::retry_after_s() const {
  uint64_t seconds = 0;
  if (*outcome_ == Outcome::kLocalDenied) {
    seconds = (local_retry_us_ + kMicrosecondsPerSecond - 1) / kMicrosecondsPerSecond;
  } else if (verdict_) {
    seconds = (uint64_t{verdict_->retry_after_ms} + 999) / 1000;
  }
  return seconds == 0 ? 1 : seconds;
}

void Request::on_verdict(const Verdict& verdict, uint64_t now_us) noexcept {
  if (!keep(verdict)) {
    on_failure(Failure::kUnavailable);
    return;
  }
  const bool refusal = verdict.outcome == VerdictOutcome::kDenied ||
                       verdict.outcome == VerdictOutcome::kUnauthenticated;
  if (verdict.shadow || (refusal && config_->dry_run)) {
    decide(Outcome::kDryRunDenied, now_us);
  } else if (verdict.outcome == VerdictOutcome::kDenied) {
    decide(Outcome::kDenied, now_us);
  } else if (verdict.outcome == VerdictOutcome::kUnauthenticated) {
    decide(Outcome::kUnauthenticated, now_us);
  } else if (verdict.outcome == VerdictOutcome::kExempt) {
    decide(Outcome::kExempt, now_us);
  } else {
    decide(Outcome::kAllowed, now_us);
  }
  if (refusal || verdict.shadow) log_refusal();
  wake();
}

void Request::on_failure(Failure failure) noexcept {
  decide_without_verdict(failure);
  wake();
}

// Copies what outlives the message. False: it cannot be used.
bool Request::keep(const Verdict& verdict) {
  if (verdict.outcome < VerdictOutcome::kAllowed ||
      verdict.outcome > VerdictOutcome::kUnauthenticated) {
    return false;
  }
  verdict_ = verdict;
  for (std::string_view* text :
       {&verdict_->reason, &verdict_->consumer, &verdict_->tier, &verdict_->endpoint}) {
    if (!text->empty()) *text = copy_text(r_->pool, text->substr(0, kMaxText));
  }
  reason_ = verdict_->reason;
  return true;
}

void Request::decide_without_verdict(Failure failure) {
  log_failure(failure);
  reason_ = reason_for(failure);
  decide(outcome_without_verdict(), monotonic_us());
}

Outcome Request::outcome_without_verdict() {
  bool admitted = true;
  Outcome denied = Outcome::kErrorDenied;
  Outcome allowed = Outcome::kErrorAllowed;
  switch (config_->on_error()) {
    case OnError::kAllow:
      break;
    case OnError::kDeny:
      admitted = false;
      break;
    case OnError::kLocal:
      local_retry_us_ = main_config(r_)->local->admit(client_address(r_));
      admitted = local_retry_us_ == 0;
      denied = Outcome::kLocalDenied;
      allowed = Outcome::kLocalAllowed;
      break;
  }
  if (admitted) return allowed;
  return config_->dry_run ? Outcome::kDryRunDenied : denied;
}

void Request::decide(Outcome outcome, uint64_t now_us) {
  outcome_ = outcome;
  worker_metrics().count(outcome);
  if (!asked_) return;
  wait_us_ = now_us - asked_us_;
  worker_metrics().observe_wait(wait_us_);
}

// Runs the phases again through the connection's own event, which also runs what is left to do
// for subrequests and HTTP/2. Not from here: the sidecar's answer is still being read.
void Request::wake() { ngx_post_event(r_->connection->write, &ngx_posted_events); }

void Request::log_failure(Failure failure) {
  Client* client = worker_client();
  const auto kind = failure == Failure::kTimeout ? LogKind::kTimeout : LogKind::kUnavailable;
  if (client == nullptr) return;
  const auto ending = client->log().admit(kind);
  if (!ending) return;
  const char* aftermath = aftermath_of(config_->on_error());
  if (failure == Failure::kTimeout) {
    ngx_log_error(config_->log_level, r_->connection->log, 0,
                  "quota: no verdict within %M ms, %s%s", config_->timeout, aftermath,
                  ending->text);
  } else {
    ngx_log_error(config_->log_level, r_->connection->log, 0,
                  "quota: the sidecar is not available, %s%s", aftermath, ending->text);
  }
}

void Request::log_refusal() {
  const auto ending = worker_client()->log().admit(LogKind::kDenied);
  if (!ending) return;
  ngx_str_t outcome = ngx_text(name_of(*outcome_));
  ngx_str_t reason = ngx_text(reason_);
  ngx_log_error(config_->log_level, r_->connection->log, 0, "quota: %V, reason \"%V\"%s", &outcome,
                &reason, ending->text);
}

}  // namespace quota
