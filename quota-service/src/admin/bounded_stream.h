#pragma once

#include <httplib.h>
#include <poll.h>

#include <atomic>
#include <chrono>

namespace quota::admin {

// A connection that ends, whatever its peer does: it must send its request in one go of kTime and
// kMostBytes, and take the answer in kTime.
class BoundedStream final : public httplib::Stream {
 public:
  static constexpr std::chrono::seconds kTime{5};
  static constexpr size_t kMostBody = 1 << 20;
  static constexpr size_t kMostBytes = kMostBody + (64 << 10);

  // Takes the socket over. Gives up early once `stopping` is set.
  BoundedStream(int socket, const std::atomic<bool>& stopping);
  ~BoundedStream() override;
  BoundedStream(const BoundedStream&) = delete;
  BoundedStream& operator=(const BoundedStream&) = delete;

  bool is_readable() const override { return wait_for(POLLIN); }
  bool is_writable() const override { return wait_for(POLLOUT); }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  bool wait_for(short event) const;
  void linger();

  const int socket_;
  const std::atomic<bool>& stopping_;
  std::chrono::steady_clock::time_point deadline_;
  size_t left_ = kMostBytes;
  bool writing_ = false;
};

}  // namespace quota::admin
