#include "grpc_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <new>

#include "gateway_mark.h"

namespace quota {
namespace {

constexpr size_t kCollectAtOnce = size_t{256} << 10;

// Verdicts must never wait for a window update.
constexpr int32_t kWindow = INT32_MAX;

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to mutable bytes and, without NO_COPY flags, copies them.
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

// What nghttp2 calls. C stands between here and the caller, so nothing may be thrown.
struct GrpcStream::Callbacks {
  static GrpcStream* self(void* user_data) { return static_cast<GrpcStream*>(user_data); }

  static ssize_t read_outgoing(nghttp2_session*, int32_t, uint8_t* buffer, size_t room,
                               uint32_t* /*flags*/, nghttp2_data_source*, void* user_data) {
    GrpcStream* stream = self(user_data);
    const size_t size = std::min(room, stream->outgoing_.size() - stream->sent_);
    if (size == 0) {
      stream->deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    std::memcpy(buffer, stream->outgoing_.data() + stream->sent_, size);
    stream->sent_ += size;
    return static_cast<ssize_t>(size);
  }

  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size,
                     void* user_data) {
    GrpcStream* stream = self(user_data);
    try {
      stream->take_data({reinterpret_cast<const char*>(data), size});
    } catch (const std::bad_alloc&) {
      stream->fail("out of memory");
    } catch (const std::exception& error) {
      stream->fail(error.what());
    } catch (...) {
      stream->fail("unknown exception");
    }
    return stream->error_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user_data) {
    const std::string_view key{reinterpret_cast<const char*>(name), name_size};
    const std::string_view text{reinterpret_cast<const char*>(value), value_size};
    GrpcStream* stream = self(user_data);
    if (key == ":status" && text != "200") {
      stream->fail("the answer's HTTP status is not 200; is this a gRPC server?");
    } else if (key == "grpc-status") {
      stream->fail("it ended the call with gRPC status ", text);
    }
    return stream->error_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    GrpcStream* stream = self(user_data);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      stream->fail("it is going away");
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
      stream->listener_->on_settings();
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t, uint32_t, void* user_data) {
    GrpcStream* stream = self(user_data);
    if (!stream->error_) stream->fail("it closed the stream");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
};

GrpcStream::GrpcStream(Listener* listener) : listener_(listener) { start(); }

void GrpcStream::start() {
  nghttp2_session_callbacks* raw = nullptr;
  if (nghttp2_session_callbacks_new(&raw) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>
      callbacks{raw, nghttp2_session_callbacks_del};
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_header_callback(raw, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(raw, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(raw, Callbacks::on_stream_close);

  nghttp2_session* session = nullptr;
  if (nghttp2_session_client_new(&session, raw, this) != 0) throw std::bad_alloc();
  session_.reset(session);

  const std::array<nghttp2_settings_entry, 3> settings{{
      {kGatewaySetting, kGatewayVersion},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kWindow)},
  }};
  const std::array<nghttp2_nv, 8> headers{
      header(":method", "POST"),
      header(":scheme", "http"),
      header(":path", "/quota.v1.QuotaService/Decide"),
      header(":authority", "localhost"),
      header("te", "trailers"),
      header("content-type", "application/grpc"),
      header("user-agent", "quotagate-nginx"),
      header("grpc-accept-encoding", "identity"),
  };
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_outgoing;

  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow) != 0) {
    throw std::bad_alloc();
  }
  stream_id_ =
      nghttp2_submit_request(session, nullptr, headers.data(), headers.size(), &body, nullptr);
  if (stream_id_ < 0) throw std::bad_alloc();
}

bool GrpcStream::receive(std::span<const uint8_t> bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size());
  if (taken < 0 && !error_) fail(nghttp2_strerror(static_cast<int>(taken)));
  return still_open();
}

void GrpcStream::send() {
  sent_ = 0;
  if (!deferred_) return;
  deferred_ = false;
  const int result = nghttp2_session_resume_data(session_.get(), stream_id_);
  if (result != 0) fail(nghttp2_strerror(result));
}

bool GrpcStream::collect(std::string* out) {
  while (!error_ && out->size() < kCollectAtOnce) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0) fail(nghttp2_strerror(static_cast<int>(size)));
    if (size <= 0) break;
    out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  return still_open();
}

void GrpcStream::take_data(std::string_view data) {
  const auto fault =
      messages_.feed(data, [this](std::string_view message) { listener_->on_message(message); });
  if (fault == MessageFinder::Fault::kCompressed) fail("it sent a compressed message");
  if (fault == MessageFinder::Fault::kTooLong) fail("it sent a message of more than 4 MB");
}

void GrpcStream::fail(const char* error, std::string_view more) {
  try {
    error_text_.assign(error).append(more);
    error_ = error_text_.c_str();
  } catch (const std::bad_alloc&) {
    error_ = "out of memory";
  }
}

bool GrpcStream::still_open() {
  if (!error_ && !nghttp2_session_want_read(session_.get()) &&
      !nghttp2_session_want_write(session_.get())) {
    fail("the HTTP/2 session ended");
  }
  return error_ == nullptr;
}

}  // namespace quota
