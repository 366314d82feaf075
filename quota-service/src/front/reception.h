#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <vector>

#include "front/poller.h"

namespace quota::front {

struct ReceptionOptions {
  // For the first bytes of a connection, which tell where it belongs.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
  size_t most_waiting =
      256;  // connections that have not said who they are; beyond it the oldest go
};

// Takes the connections that come in, and hands each to whom it belongs: gateways to their loops,
// all others to gRPC.
class Reception {
 public:
  using HandOver = std::function<void(Fd socket)>;

  Reception(std::vector<Fd> listeners, HandOver gateway, HandOver other,
            ReceptionOptions options = {});
  ~Reception();
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  bool works() const { return works_; }
  // Until stop(), which any thread may call.
  void run();
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  class Door final : public Source {
   public:
    Door(Reception& reception, Fd listener)
        : reception_(reception), listener_(std::move(listener)) {}
    void ready(uint32_t) override { reception_.accept_from(listener_.get()); }
    int fd() const { return listener_.get(); }

   private:
    Reception& reception_;
    Fd listener_;
  };
  class Guest final : public Source {
   public:
    Guest(Reception& reception, Fd socket, Clock::time_point until)
        : reception_(reception), socket_(std::move(socket)), until_(until) {}
    void ready(uint32_t) override { reception_.ask(*this); }

   private:
    friend class Reception;
    Reception& reception_;
    Fd socket_;
    Clock::time_point until_;
    std::list<Guest>::iterator self_;
  };
  class Bell final : public Source {
   public:
    void ready(uint32_t) override {}
  };

  void accept_from(int listener);
  void ask(Guest& guest);
  void show_out(Guest& guest);
  void open_doors(uint32_t events);
  int tidy();

  const HandOver gateway_;
  const HandOver other_;
  const ReceptionOptions options_;
  Poller poller_;
  std::list<Door> doors_;
  std::list<Guest> waiting_;          // the oldest first
  Clock::time_point closed_until_{};  // no descriptors were left
  bool is_closed_ = false;
  bool works_ = false;
  Bell bell_;
  Fd bell_fd_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace quota::front
