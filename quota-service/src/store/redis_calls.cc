#include "store/redis_calls.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quota::store {
namespace {

absl::Status status_of(redis::Failure failure, std::string_view words) {
  const std::string why(words);
  switch (failure) {
    case redis::Failure::kUnavailable:
      return absl::UnavailableError(absl::StrCat("Redis cannot be reached: ", why));
    case redis::Failure::kTimeout:
      return absl::DeadlineExceededError(
          "Redis did not answer in time; see whether it was done, and try again");
    case redis::Failure::kOverload:
      return absl::UnavailableError("too much waits for Redis already; try again shortly");
    case redis::Failure::kRefused:
      return absl::InternalError(absl::StrCat("Redis refused: ", why));
    case redis::Failure::kClosed:
      break;
  }
  return absl::UnavailableError("the store is closed");
}

class Sent final : public redis::Command {
 public:
  explicit Sent(RedisCalls::Call call) : call_(std::move(call)) {}

  std::string_view key() const override { return call_.key; }
  const redis::Script* script() const override { return call_.script; }
  void write(const redis::Node&, redis::Words& words) override {
    for (const std::string& word : call_.words) words.add(word);
  }
  void answered(const redisReply& reply, int64_t) override { call_.told(&reply); }
  void failed(redis::Failure failure, std::string_view words) override {
    call_.told(status_of(failure, words));
  }

 private:
  const RedisCalls::Call call_;
};

}  // namespace

RedisCalls::RedisCalls(uv_loop_t* loop, redis::Client& client)
    : client_(client), wake_(new uv_async_t{}) {
  wake_->data = this;
  uv_async_init(loop, wake_,
                [](uv_async_t* async) { static_cast<RedisCalls*>(async->data)->send_queued(); });
}

RedisCalls::~RedisCalls() = default;

bool RedisCalls::send(Call call) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return false;
  queue_.push_back(std::move(call));
  if (queue_.size() == 1) uv_async_send(wake_);
  return true;
}

void RedisCalls::send_queued() {
  std::vector<Call> queue;
  {
    const std::lock_guard lock(mutex_);
    queue.swap(queue_);
  }
  for (Call& call : queue) client_.send(std::make_unique<Sent>(std::move(call)));
}

void RedisCalls::close() {
  std::vector<Call> queue;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_closed_, true)) return;
    queue.swap(queue_);
  }
  for (const Call& call : queue) call.told(closed());
  uv_close(reinterpret_cast<uv_handle_t*>(wake_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); });
}

absl::Status RedisCalls::closed() { return absl::UnavailableError("the store is closed"); }

absl::Status RedisCalls::too_late() {
  return absl::DeadlineExceededError(
      "Redis did not answer in time; see whether it was done, and try again");
}

}  // namespace quota::store
