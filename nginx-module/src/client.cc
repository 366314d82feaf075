#include "client.h"

#include "clock.h"

namespace quota {
namespace {

// How long the sidecar may stay silent, while connecting or when stalled, before it is given up.
constexpr ngx_msec_t kPatience = 1000;

// Of the event loop: for how many a batch waits for company, however well that goes.
constexpr unsigned kMostTurnsHeld = 3;

}  // namespace

Client::Client(const Settings& settings) : settings_(settings) { report_up(true); }

bool Client::ask(Check* check, Waiter* waiter, ngx_msec_t timeout) {
  if (unavailable()) return false;
  if (!link_.is_open()) {
    connect();
    if (!link_.is_open()) return false;
  }

  DeadlineQueue* queue = deadlines_.queue_for(timeout);
  check->id = slots_.acquire(waiter);
  try {
    batches_.append(*check);
  } catch (...) {
    slots_.release(check->id);
    throw;
  }
  waiter->id_ = check->id;
  queue->add(waiter);
  link_.set_idle(false);
  if (!unacked_) turn_end_.post();
  return true;
}

void Client::forget(Waiter* waiter) noexcept {
  if (!waiter->waiting()) return;
  waiter->queue_->remove(waiter);
  release(waiter);
  close_if_quitting();
}

void Client::release(Waiter* waiter) noexcept {
  slots_.release(waiter->id_);
  if (slots_.in_use() == 0) link_.set_idle(true);
}

// Runs after the events of this turn of the event loop, so that all checks of the turn leave
// together.
void Client::on_turn_end() noexcept {
  if (!unacked_ && !batches_.empty() && link_.can_send()) {
    if (expects_more()) return turn_end_.post_next();
    turns_held_ = 0;
    gathered_before_ = 0;
    batches_.take(link_.outgoing());
    unacked_ = true;
    silent_since_ = ngx_current_msec;
    link_.send();
  }
  close_if_quitting();
}

bool Client::expects_more() noexcept {
  const size_t gathered = batches_.gathered();
  const bool alone = gathered == 1 && answered_last_ <= 1;
  if (alone || gathered <= gathered_before_ || turns_held_ == kMostTurnsHeld) return false;
  gathered_before_ = gathered;
  ++turns_held_;
  return true;
}

void Client::on_message(std::string_view message) {
  if (!batches_.empty()) turn_end_.post();

  const uint64_t now = monotonic_us();
  answered_last_ = 0;
  const bool ack = decode_response(message, [this, now](const Verdict& verdict) {
    ++answered_last_;
    Waiter* waiter = slots_.find(verdict.id);
    if (waiter == nullptr) return;  // timed out, or its client has gone
    waiter->queue_->remove(waiter);
    release(waiter);
    waiter->on_verdict(verdict, now);
  });
  if (ack) {
    unacked_ = false;
    back_off_.reset();
    if (stalled_) {
      stalled_ = false;
      watchdog_.stop();
      report_up(true);
    }
  }
  if (ngx_exiting) turn_end_.post();  // the link may not be closed from here
}

void Client::on_deadline(Waiter* waiter, ngx_msec_t timeout) noexcept {
  release(waiter);
  settings_.metrics->count_timeout();
  if (!stalled_ && silent_for(timeout)) stall();
  waiter->on_failure(Failure::kTimeout);
  close_if_quitting();
}

bool Client::silent_for(ngx_msec_t time) const {
  const bool owing = unacked_ || (link_.is_open() && !link_.connected());
  return owing && ngx_current_msec - silent_since_ >= time;
}

void Client::stall() noexcept {
  stalled_ = true;
  report_up(false);
  if (!watchdog_.running()) watchdog_.start(kPatience);
  if (const auto ending = log_.admit(LogKind::kStalled)) {
    ngx_log_error(settings_.log_level, ngx_cycle->log, 0,
                  "quota: the sidecar has not answered for %M ms; requests take quota_on_error "
                  "until it does%s",
                  ngx_current_msec - silent_since_, ending->text);
  }
}

void Client::on_watchdog() noexcept {
  link_.drop("does not answer");
  // A quitting worker may have closed the link before this; nothing is owed to it any more.
  stalled_ = false;
  probing_ = false;
}

void Client::connect() noexcept {
  batches_.clear();
  turns_held_ = 0;
  gathered_before_ = 0;
  unacked_ = false;
  silent_since_ = ngx_current_msec;
  watchdog_.start(kPatience);
  link_.open(settings_.addresses[next_address_]);
}

void Client::on_connected() noexcept {
  if (probing_) {
    link_.flush();
  } else if (!batches_.empty()) {
    turn_end_.post();
  }
}

void Client::on_ready() noexcept {
  watchdog_.stop();
  stalled_ = false;
  probing_ = false;
  report_up(true);
  if (!lost_) return;
  lost_ = false;
  if (const auto ending = log_.admit(LogKind::kBack)) {
    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "quota: the sidecar at %V is back%s",
                  &settings_.addresses[next_address_].name, ending->text);
  }
}

void Client::on_lost(const char* why, ngx_err_t error) noexcept {
  const ngx_addr_t& address = settings_.addresses[next_address_];
  lost_ = true;
  if (const auto ending = log_.admit(LogKind::kLink)) {
    ngx_log_error(settings_.log_level, ngx_cycle->log, error,
                  "quota: the sidecar at %V is lost: %s; requests take quota_on_error until it is "
                  "back%s",
                  &address.name, why, ending->text);
  }

  next_address_ = (next_address_ + 1) % settings_.addresses.size();
  report_up(false);
  watchdog_.stop();
  unacked_ = false;
  stalled_ = false;
  probing_ = false;
  batches_.clear();
  back_off_timer_.start(back_off_.next_ms(static_cast<uint32_t>(ngx_random())));

  while (Waiter* waiter = deadlines_.any()) {
    waiter->queue_->remove(waiter);
    release(waiter);
    waiter->on_failure(Failure::kUnavailable);
  }
}

void Client::on_back_off_over() noexcept {
  probing_ = true;
  connect();
}

// During a reload the worker that ends shares its counters with the one that takes over, whose
// word counts.
void Client::report_up(bool up) noexcept {
  if (!ngx_exiting) settings_.metrics->set_sidecar_up(up);
}

void Client::close_if_quitting() noexcept {
  if (ngx_exiting && slots_.in_use() == 0) link_.close();
}

}  // namespace quota
