#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "front/connection.h"
#include "front/poller.h"
#include "rpc/decider.h"
#include "rpc/wake_up.h"

namespace quota::front {

// One thread's connections and its decider, and the way in for other threads.
class Loop final : private rpc::WakeUp {
 public:
  explicit Loop(std::unique_ptr<rpc::Decider> decider);
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool works() const;

  // Until it has been told to end and its last connection is closed, or the time for that is up.
  void run();

  // From any thread.
  void adopt(Fd socket);
  void post(std::shared_ptr<Connection> connection);  // has verdicts to write
  void end(std::chrono::milliseconds patience);

  // For its connections, on its own thread.
  Poller& poller() { return poller_; }
  rpc::Decider& decider() { return *decider_; }
  std::span<char> buffer() { return buffer_; }
  void closed(const std::shared_ptr<Connection>& connection);

 private:
  // What other threads have left.
  struct Inbox {
    std::vector<Fd> sockets;
    std::vector<std::shared_ptr<Connection>> posted;
    bool decider_is_due = false;
    std::optional<std::chrono::steady_clock::time_point> end_by;
  };
  class Bell final : public Source {
   public:
    explicit Bell(Loop& loop);
    void ring();
    void ready(uint32_t events) override;
    int fd() const { return fd_.get(); }

   private:
    Loop& loop_;
    Fd fd_;
  };
  class Timer final : public Source {
   public:
    explicit Timer(Loop& loop);
    void set(int64_t us);
    void ready(uint32_t events) override;
    int fd() const { return fd_.get(); }

   private:
    Loop& loop_;
    Fd fd_;
    bool is_set_ = false;
  };

  void wake_soon() override;
  void wake_in(int64_t us) override { timer_.set(us); }
  template <typename Leave>
  void leave(Leave&& leave);
  void empty_inbox();
  int patience_ms() const;

  Poller poller_;
  std::unique_ptr<rpc::Decider> decider_;
  std::array<char, 64 * 1024> buffer_;
  absl::flat_hash_set<std::shared_ptr<Connection>> connections_;
  std::optional<std::chrono::steady_clock::time_point> end_by_;

  std::mutex mutex_;
  Inbox inbox_;
  bool is_rung_ = false;
  bool is_over_ = false;
  Bell bell_{*this};
  Timer timer_{*this};
};

}  // namespace quota::front
