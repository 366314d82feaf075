// The worker's connection to the sidecar: a socket in nginx's event loop that carries one
// GrpcStream. It does not come back by itself once it is lost; its owner decides when.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "grpc_stream.h"
#include "ngx.h"

namespace quota {

class Link final : private GrpcStream::Listener {
 public:
  class Owner {
   public:
    // The socket is connected: messages may be sent.
    virtual void on_connected() noexcept = 0;
    // The peer has spoken HTTP/2: there is somebody at home.
    virtual void on_ready() noexcept = 0;
    // Called while the stream reads: must neither send nor close. What it throws ends the link.
    virtual void on_message(std::string_view message) = 0;
    // The link failed and is closed. `why` completes a sentence about the sidecar.
    virtual void on_lost(const char* why, ngx_err_t error) noexcept = 0;

   protected:
    ~Owner() = default;
  };

  explicit Link(Owner* owner) : owner_(owner) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { close(); }

  // Starts to connect, unless connected already. on_connected() or on_lost() may be called before
  // this returns.
  void open(const ngx_addr_t& address) noexcept;

  // Closes without telling the owner.
  void close() noexcept;

  // Gives the link up for a reason of the owner's, and tells the owner.
  void drop(const char* why) noexcept { lose(why, 0); }

  bool is_open() const { return connection_ != nullptr; }
  bool connected() const { return connection_ != nullptr && !connecting_; }
  bool can_send() const { return connected() && stream_->idle(); }

  // Room for the next framed message; only while can_send().
  std::string* outgoing() { return stream_->outgoing(); }
  void send() noexcept;

  // Sends what HTTP/2 itself has to say, such as its greeting, without a message.
  void flush() noexcept;

  // An idle link is closed by nginx when the worker is told to quit.
  void set_idle(bool idle) {
    if (connection_ != nullptr) connection_->idle = idle ? 1 : 0;
  }

 private:
  void on_settings() noexcept override { owner_->on_ready(); }
  void on_message(std::string_view message) override { owner_->on_message(message); }

  void become_connected() noexcept;
  void finish_connecting() noexcept;
  void read() noexcept;
  void write() noexcept;
  void lose(const char* why, ngx_err_t error) noexcept;

  Owner* owner_;
  ngx_connection_t* connection_ = nullptr;
  bool connecting_ = false;
  ngx_log_t log_{};
  std::optional<GrpcStream> stream_;
  std::string unsent_;
  size_t sent_ = 0;
  std::array<u_char, 64 * 1024> buffer_;
};

}  // namespace quota
