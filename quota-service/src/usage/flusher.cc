#include "usage/flusher.h"

#include <chrono>
#include <utility>

#include "base/time.h"

namespace quota::usage {
namespace {

constexpr std::chrono::seconds kPeriod{1};

}  // namespace

Flusher::Flusher(std::vector<std::shared_ptr<Meter>> meters, UsageStore& store, Observer observer)
    : meters_(std::move(meters)), store_(store), observer_(std::move(observer)) {}

Flusher::~Flusher() { end_thread(); }

void Flusher::start() {
  thread_ = std::thread([this] { run(); });
}

void Flusher::run() {
  auto due = std::chrono::steady_clock::now();
  for (;;) {
    // What was missed is not made up for: the next round brings it all.
    due = std::max(due + kPeriod, std::chrono::steady_clock::now());
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_until(lock, due, [this] { return is_stopping_; })) return;
    }
    flush(read_clocks().unix_us);
  }
}

void Flusher::end_thread() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Flusher::stop() {
  end_thread();
  flush(read_clocks().unix_us, true);
}

void Flusher::flush(int64_t unix_us, bool is_last) {
  Sums sums;
  for (const auto& meter : meters_) {
    for (const Row& row : meter->fetch()) {
      sums[row.key] += row.amount;
      observer_(row);
    }
  }
  store_.add(std::move(sums), unix_us, is_last);
}

}  // namespace quota::usage
