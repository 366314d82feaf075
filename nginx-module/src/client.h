// A worker's way to the sidecar: takes checks, sends them in batches over one link, and gives each
// waiter its verdict or, when the sidecar is away or silent, a failure.
//
// It sends one batch at a time. Checks that come while a batch is unacknowledged gather and leave
// together after the ack, so that batches grow with the load and a lone request waits for nobody.
// Most of what a batch costs, here and in the sidecar, is a wake-up each way, whatever is in it. So
// where requests come in numbers, a batch that could leave waits for a few more turns of the event
// loop, as long as each brings another check. Such a turn does not sleep. This halves the number of
// batches: without it, the requests of one half of the connections would always leave while those
// of the other half are being answered.
//
// A sick sidecar must not cost every request its timeout:
//  - When the link fails, all who wait fail with it, and a timer tries again with back-off. Until
//    the sidecar has answered such an attempt requests fail at once. The timer runs on without
//    requests too: that costs nothing, and keeps quota_gateway_sidecar_up true.
//  - When a check's time is up and the sidecar has not even acknowledged a batch for that long, it
//    is *stalled*: requests fail at once until an ack comes. None for a second drops the link.
//    A verdict that is merely late, of a batch that was acknowledged, says nothing of this kind.
#pragma once

#include <span>
#include <string_view>

#include "back_off.h"
#include "batches.h"
#include "deadlines.h"
#include "link.h"
#include "metrics.h"
#include "ngx.h"
#include "slots.h"
#include "throttled_log.h"
#include "waiter.h"

namespace quota {

class Client final : private Link::Owner, private DeadlineQueue::Owner {
 public:
  struct Settings {
    std::span<const ngx_addr_t> addresses;  // tried in turn; must outlive the client
    ngx_uint_t log_level;
    WorkerMetrics* metrics;
  };

  explicit Client(const Settings& settings);

  // Asks for a verdict on `check`, whose id is set here. False: there is nobody to ask, and
  // `waiter` will not be called. Otherwise it is called once, never from within this call.
  // Throws std::bad_alloc.
  [[nodiscard]] bool ask(Check* check, Waiter* waiter, ngx_msec_t timeout);

  // The waiter is about to go. Its check is sent, if it was not yet, and the verdict dropped.
  void forget(Waiter* waiter) noexcept;

  ThrottledLog& log() { return log_; }

 private:
  void on_connected() noexcept override;
  void on_ready() noexcept override;
  void on_message(std::string_view message) override;
  void on_lost(const char* why, ngx_err_t error) noexcept override;
  void on_deadline(Waiter* waiter, ngx_msec_t timeout) noexcept override;

  void connect() noexcept;
  void on_turn_end() noexcept;
  bool expects_more() noexcept;
  void on_watchdog() noexcept;
  void on_back_off_over() noexcept;

  bool unavailable() const { return back_off_timer_.running() || probing_ || stalled_; }
  // How long the sidecar has owed us a sign of life.
  bool silent_for(ngx_msec_t time) const;
  void stall() noexcept;
  void release(Waiter* waiter) noexcept;
  void report_up(bool up) noexcept;
  void close_if_quitting() noexcept;

  Settings settings_;
  ThrottledLog log_;
  Link link_{this};
  Deadlines deadlines_{this};
  Slots<Waiter> slots_;
  Batches batches_;
  BackOff back_off_;
  size_t next_address_ = 0;

  bool probing_ = false;  // connecting after a failure; nobody may wait for that
  bool unacked_ = false;  // a batch has been sent and not acknowledged
  bool stalled_ = false;
  bool lost_ = false;            // and not back yet
  ngx_msec_t silent_since_ = 0;  // when the attempt to connect began or that batch was sent

  // Of the batch that is gathered: how often it was held back, and what it held then.
  unsigned turns_held_ = 0;
  size_t gathered_before_ = 0;
  size_t answered_last_ = 0;  // verdicts in the newest message

  Event<Client, &Client::on_turn_end> turn_end_{this};
  Event<Client, &Client::on_watchdog> watchdog_{this};
  Event<Client, &Client::on_back_off_over> back_off_timer_{this};
};

}  // namespace quota
