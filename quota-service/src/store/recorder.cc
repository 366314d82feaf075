#include "store/recorder.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace quota::store {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kKeepDays = int64_t{14} * 31;

// What has to fit before a full disk counts as free again; less would be full at the next batch.
constexpr int64_t kRoomBytes = int64_t{64} * 1024;

const engine::MonthKey& month_of(const Request& request) {
  return std::visit([](const auto& any) -> const engine::MonthKey& { return any.month; }, request);
}

// In the order of the table, so that each of its pages is written once, and for any one month in
// the order in which they came.
std::vector<const Request*> in_table_order(std::span<const Request> requests) {
  std::vector<const Request*> order;
  order.reserve(requests.size());
  for (const Request& request : requests) order.push_back(&request);
  std::stable_sort(order.begin(), order.end(), [](const Request* a, const Request* b) {
    const engine::MonthKey& left = month_of(*a);
    const engine::MonthKey& right = month_of(*b);
    return std::tie(left.period, left.subject) < std::tie(right.period, right.subject);
  });
  return order;
}

}  // namespace

Recorder::Recorder(StateFile& file, int64_t retry_us)
    : file_(file),
      months_(file.database()),
      fill_room_(file.database(), "INSERT INTO room(filler) VALUES(zeroblob(?))"),
      empty_room_(file.database(), "DELETE FROM room"),
      retry_us_(retry_us) {}

std::vector<engine::Grant> Recorder::carry_out(std::span<const Request> requests, Now now) {
  std::vector<engine::Grant> grants;
  if (!healthy_ && now.mono_us >= retry_at_us_) try_again(now);
  if (!healthy_) {
    refuse(requests, grants);
    return grants;
  }
  const absl::Status status = file_.database().transact([&] { return write(requests, grants); });
  if (status.ok()) {
    ++stats_.batches;
    return grants;
  }
  failed(status, now);
  grants.clear();
  refuse(requests, grants);
  return grants;
}

int64_t Recorder::tend(Now now) {
  if (!healthy_ && now.mono_us >= retry_at_us_) try_again(now);
  if (!healthy_) return std::max<int64_t>(retry_at_us_ - now.mono_us, 0);
  // Not before an hour has passed: a clock that was wrong at boot is right by then, and no month is
  // forgotten for it.
  if (forget_at_us_ == 0) forget_at_us_ = now.mono_us + kHourUs;
  if (now.mono_us >= forget_at_us_) {
    if (forget_old(now)) return 0;
    forget_at_us_ = now.mono_us + kHourUs;
  }
  return forget_at_us_ - now.mono_us;
}

absl::Status Recorder::flush(Now now) {
  if (unwritten_.empty()) return absl::OkStatus();
  absl::Status status = file_.database().transact([&] { return write_unwritten(); });
  if (status.ok()) {
    unwritten_.clear();
    stats_.unwritten = 0;
  } else {
    failed(status, now);
  }
  return status;
}

absl::Status Recorder::write(std::span<const Request> requests,
                             std::vector<engine::Grant>& grants) {
  for (const Request* request : in_table_order(requests)) {
    if (const auto* reserve = std::get_if<engine::Reserve>(request)) {
      absl::StatusOr<engine::Grant> grant = months_.reserve(*reserve);
      if (!grant.ok()) return grant.status();
      grants.push_back(*std::move(grant));
    } else {
      const auto* settle = std::get_if<Settle>(request);
      absl::Status status =
          settle != nullptr ? months_.settle(settle->month, settle->used)
                            : months_.spend(month_of(*request), std::get<Spend>(*request).amount);
      if (!status.ok()) return status;
    }
  }
  stats_.reserves += grants.size();
  stats_.settles += requests.size() - grants.size();
  return absl::OkStatus();
}

void Recorder::refuse(std::span<const Request> requests, std::vector<engine::Grant>& grants) {
  for (const Request& request : requests) {
    if (const auto* reserve = std::get_if<engine::Reserve>(&request)) {
      grants.push_back(
          {.month = reserve->month, .used = 0, .mark = 0, .ok = false, .seq = reserve->seq});
      ++stats_.refused;
      continue;
    }
    const engine::MonthKey& month = month_of(request);
    Unwritten& unwritten = unwritten_[{month.subject, month.period}];
    if (const auto* settle = std::get_if<Settle>(&request)) {
      unwritten = {.used = settle->used, .more = 0};
    } else {
      unwritten.more += std::get<Spend>(request).amount;
    }
  }
  stats_.unwritten = unwritten_.size();
}

absl::Status Recorder::write_unwritten() {
  for (const auto& [key, unwritten] : unwritten_) {
    const engine::MonthKey month{key.first, key.second};
    absl::Status status = unwritten.used ? months_.settle(month, *unwritten.used + unwritten.more)
                                         : months_.spend(month, unwritten.more);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Recorder::try_again(Now now) {
  absl::Status status = file_.database().transact([&] {
    absl::Status written = write_unwritten();
    return written.ok() ? fill_room_.run(kRoomBytes) : written;
  });
  if (status.ok()) status = file_.database().transact([&] { return empty_room_.run(); });
  if (!status.ok()) {
    failed(status, now);
    return;
  }
  stats_.settles += unwritten_.size();
  stats_.unwritten = 0;
  unwritten_.clear();
  healthy_ = true;
  spdlog::info("store: {} can be written again after {:.1f} s; nothing that was counted is lost",
               file_.path(), static_cast<double>(now.mono_us - failed_at_us_) / 1e6);
}

bool Recorder::forget_old(Now now) {
  const auto oldest = static_cast<int32_t>(now.unix_us / kDayUs - kKeepDays);
  bool more = false;
  const absl::Status status = file_.database().transact([&] {
    const absl::StatusOr<bool> result = months_.forget_some(oldest);
    more = result.ok() && *result;
    return result.status();
  });
  if (!status.ok()) failed(status, now);
  return status.ok() && more;
}

void Recorder::failed(const absl::Status& status, Now now) {
  ++stats_.failures;
  retry_at_us_ = now.mono_us + retry_us_;
  if (!healthy_) return;
  healthy_ = false;
  failed_at_us_ = now.mono_us;
  spdlog::error("store: cannot write {}: {}; nothing more is reserved until writing works again",
                file_.path(), std::string(status.message()));
}

}  // namespace quota::store
