#include "front/session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "rpc/codec.h"

namespace quota::front {
namespace {

constexpr std::string_view kDecide = "/quota.v1.QuotaService/Decide";
constexpr size_t kCollectAtOnce = size_t{256} << 10;
// A batch must never wait for a window update. What a gateway may send is bounded by reading no
// further than it takes its answers.
constexpr int32_t kWindow = INT32_MAX;
constexpr uint32_t kMaxFrame = 1 << 20;

// As gRPC numbers them.
constexpr int kOk = 0;
constexpr int kInvalidArgument = 3;
constexpr int kResourceExhausted = 8;
constexpr int kUnimplemented = 12;
constexpr int kUnavailable = 14;

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to mutable bytes and, without NO_COPY flags, copies them.
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

struct Session::Callbacks {
  static Session& self(void* user_data) { return *static_cast<Session*>(user_data); }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame,
                              void* user_data) {
    Session& it = self(user_data);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->hd.stream_id == it.call_) return 0;
    if (it.call_ == 0) {
      it.call_ = frame->hd.stream_id;
      return 0;
    }
    // One connection is one call.
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                     NGHTTP2_REFUSED_STREAM);
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user_data) {
    Session& it = self(user_data);
    if (frame->hd.stream_id == it.call_ && text(name, name_size) == ":path") {
      it.names_decide_ = text(value, value_size) == kDecide;
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Session& it = self(user_data);
    if (frame->hd.stream_id == 0 || frame->hd.stream_id != it.call_) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      it.open_call();
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) it.no_more_batches_ = true;
    return 0;
  }

  static int on_data(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                     void* user_data) {
    Session& it = self(user_data);
    if (stream == it.call_) it.take_data(text(data, size));
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t stream, uint32_t, void* user_data) {
    Session& it = self(user_data);
    if (stream == it.call_) it.is_over_ = true;
    return 0;
  }

  static ssize_t read_outgoing(nghttp2_session* session, int32_t stream, uint8_t* buffer,
                               size_t room, uint32_t* flags, nghttp2_data_source*,
                               void* user_data) {
    Session& it = self(user_data);
    const size_t size = std::min(room, it.outgoing_.size() - it.sent_);
    if (size == 0 && !it.is_ending_) {
      it.is_deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    if (size == 0) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::string status = std::to_string(it.status_);
      const std::array<nghttp2_nv, 2> trailers{header("grpc-status", status),
                                               header("grpc-message", it.message_)};
      return nghttp2_submit_trailer(session, stream, trailers.data(),
                                    it.message_.empty() ? 1 : 2) == 0
                 ? 0
                 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    std::memcpy(buffer, it.outgoing_.data() + it.sent_, size);
    it.sent_ += size;
    if (it.sent_ == it.outgoing_.size()) {
      it.outgoing_.clear();
      it.sent_ = 0;
    }
    return static_cast<ssize_t>(size);
  }

  // The status ends the call, whatever the gateway still had to say.
  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Session& it = self(user_data);
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      it.is_over_ = true;
    }
    return 0;
  }
};

Session::Session(Listener& listener) : listener_(listener) {
  nghttp2_session_callbacks* raw = nullptr;
  if (nghttp2_session_callbacks_new(&raw) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>
      callbacks{raw, nghttp2_session_callbacks_del};
  nghttp2_session_callbacks_set_on_begin_headers_callback(raw, Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(raw, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(raw, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(raw, Callbacks::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(raw, Callbacks::on_frame_sent);

  nghttp2_session* session = nullptr;
  if (nghttp2_session_server_new(&session, raw, this) != 0) throw std::bad_alloc();
  session_.reset(session);
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kWindow)},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrame},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8192},
  }};
  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow) != 0) {
    throw std::bad_alloc();
  }
}

bool Session::receive(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) return false;
  end_when_done();
  resume();
  return true;
}

void Session::open_call() {
  const std::array<nghttp2_nv, 2> headers{header(":status", "200"),
                                          header("content-type", "application/grpc")};
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_outgoing;
  if (nghttp2_submit_response(session_.get(), call_, headers.data(), headers.size(), &body) != 0) {
    is_over_ = true;
  }
  if (!names_decide_) end_call(kUnimplemented, "a gateway's connection is for Decide only");
}

void Session::take_data(std::string_view data) {
  if (no_more_batches_) return;
  const auto answer = [this](std::string_view batch) {
    if (no_more_batches_) return;
    const size_t begin = outgoing_.size();
    outgoing_.resize(begin + kMessagePrefixSize);
    const bool is_read = listener_.on_batch(batch, outgoing_, waiting_);
    const size_t size = outgoing_.size() - begin;
    if (size == kMessagePrefixSize) {
      outgoing_.resize(begin);
    } else {
      write_message_prefix(outgoing_.data() + begin, size);
    }
    if (!is_read) end_call(kInvalidArgument, rpc::malformed_batch());
  };
  const MessageFinder::Fault fault = batches_.feed(data, answer);
  if (fault == MessageFinder::Fault::kCompressed) {
    end_call(kUnimplemented, "quotad reads no compressed messages");
  } else if (fault == MessageFinder::Fault::kTooLong) {
    end_call(kResourceExhausted, "a message may have 4 MB at most");
  }
}

void Session::respond_late(std::string_view response, uint64_t verdicts) {
  const size_t begin = outgoing_.size();
  outgoing_.resize(begin + kMessagePrefixSize);
  outgoing_.append(response);
  write_message_prefix(outgoing_.data() + begin, outgoing_.size() - begin);
  waiting_ -= verdicts;
  end_when_done();
  resume();
}

void Session::end_soon() {
  is_stopping_ = true;
  if (call_ == 0) is_over_ = true;
  end_when_done();
  resume();
}

void Session::end_call(int grpc_status, std::string message) {
  if (is_ending_) return;
  no_more_batches_ = true;
  is_ending_ = true;
  status_ = grpc_status;
  message_ = std::move(message);
}

// A gateway that has said all it had to say still gets every verdict.
void Session::end_when_done() {
  if (waiting_ > 0) return;
  if (no_more_batches_) {
    end_call(kOk, {});
  } else if (is_stopping_) {
    end_call(kUnavailable, "quotad is stopping");
  }
}

void Session::resume() {
  if (!is_deferred_ || (outgoing_.empty() && !is_ending_)) return;
  is_deferred_ = false;
  if (nghttp2_session_resume_data(session_.get(), call_) != 0) is_over_ = true;
}

bool Session::collect(std::string& out) {
  bool has_said_goodbye = false;
  while (out.size() < kCollectAtOnce) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0) return false;
    if (size > 0) {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    } else if (is_over_ && !has_said_goodbye) {
      has_said_goodbye = true;
      if (nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR) != 0) return false;
    } else {
      return !is_over_ && (nghttp2_session_want_read(session_.get()) != 0 ||
                           nghttp2_session_want_write(session_.get()) != 0);
    }
  }
  return true;
}

}  // namespace quota::front
