// One gRPC call to QuotaService.Decide over one HTTP/2 connection. Bytes go in and come out; who
// carries them is not this class's concern.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "grpc_messages.h"

namespace quota {

class GrpcStream {
 public:
  // Called from within receive(). Must not call the stream.
  class Listener {
   public:
    virtual void on_settings() noexcept = 0;
    // May throw: the stream then fails with what() as its error.
    virtual void on_message(std::string_view message) = 0;

   protected:
    ~Listener() = default;
  };

  // Throws std::bad_alloc.
  explicit GrpcStream(Listener* listener);
  GrpcStream(const GrpcStream&) = delete;
  GrpcStream& operator=(const GrpcStream&) = delete;

  // Takes bytes the peer sent. False: the call is over, and error() says why.
  [[nodiscard]] bool receive(std::span<const uint8_t> bytes);

  // Room for the next message, framed already; it is on its way after send() and must not be
  // touched again until idle() is true.
  std::string* outgoing() { return &outgoing_; }
  void send();
  bool idle() const { return sent_ == outgoing_.size(); }

  // Appends what the peer should get to `out`, at most about 256 KB at a time. False: the call is
  // over, and error() says why.
  [[nodiscard]] bool collect(std::string* out);

  const char* error() const { return error_; }

 private:
  struct Callbacks;
  struct Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  void start();
  void take_data(std::string_view data);
  void fail(const char* error, std::string_view more = {});
  bool still_open();

  Listener* listener_;
  std::unique_ptr<nghttp2_session, Deleter> session_;
  int32_t stream_id_ = 0;
  bool deferred_ = false;  // nghttp2 asked for data when there was none
  std::string outgoing_;
  size_t sent_ = 0;
  MessageFinder messages_;
  const char* error_ = nullptr;
  std::string error_text_;
};

}  // namespace quota
