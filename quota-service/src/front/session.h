#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "grpc_messages.h"

namespace quota::front {

// The server's side of one HTTP/2 connection, on which a gateway makes one call of
// QuotaService.Decide. Bytes come in and go out; who carries them is not this class's concern.
class Session {
 public:
  // Called from within receive(). Must not call the session.
  class Listener {
   public:
    // Appends a DecideResponse to `response` and raises `waiting` by the verdicts that will follow.
    // False: `batch` could not be read, and the call ends.
    virtual bool on_batch(std::string_view batch, std::string& response, uint64_t& waiting) = 0;

   protected:
    ~Listener() = default;
  };

  explicit Session(Listener& listener);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes bytes that the gateway sent. False: they are no HTTP/2, and the connection is over.
  [[nodiscard]] bool receive(std::string_view bytes);

  // A DecideResponse with so many of the verdicts that were still to follow.
  void respond_late(std::string_view response, uint64_t verdicts);

  // Ends the call once no verdict is waited for; until then batches are answered.
  void end_soon();

  // Appends what the gateway should get to `out`, at most about 256 KB at a time. False: when that
  // is written, nothing more will follow.
  [[nodiscard]] bool collect(std::string& out);

 private:
  struct Callbacks;
  struct Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  void take_data(std::string_view data);
  void open_call();
  void end_call(int grpc_status, std::string message);
  void end_when_done();
  void resume();

  Listener& listener_;
  std::unique_ptr<nghttp2_session, Deleter> session_;
  int32_t call_ = 0;           // the stream of the call, once it is there
  bool names_decide_ = false;  // the path of the call is Decide's
  bool is_deferred_ = false;   // nghttp2 asked for data when there was none
  bool no_more_batches_ = false;
  bool is_stopping_ = false;
  bool is_ending_ = false;  // the status follows what is in outgoing_
  bool is_over_ = false;
  int status_ = 0;
  std::string message_;
  uint64_t waiting_ = 0;  // verdicts still to follow
  quota::MessageFinder batches_;
  std::string outgoing_;  // responses, framed
  size_t sent_ = 0;       // of outgoing_
};

}  // namespace quota::front
