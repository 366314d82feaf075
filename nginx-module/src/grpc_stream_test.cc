#include "grpc_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <vector>

namespace quota {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string framed(std::string_view message, char flag = 0) {
  std::string out(1, flag);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift);
  return out.append(message);
}

// The other end: an HTTP/2 server that answers what the test tells it to.
class Server {
 public:
  Server() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size, void* self) {
          static_cast<Server*>(self)->body_.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* self) {
          static_cast<Server*>(self)
              ->headers_[std::string(reinterpret_cast<const char*>(name), name_size)] =
              std::string(reinterpret_cast<const char*>(value), value_size);
          return 0;
        });
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { nghttp2_session_del(session_); }

  void take(const std::string& bytes) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    ASSERT_EQ(nghttp2_session_mem_recv(session_, data, bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  std::string give() {
    std::string out;
    const uint8_t* bytes = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    return out;
  }

  void begin(std::string status = "200") {
    std::string name = ":status";
    const nghttp2_nv header{reinterpret_cast<uint8_t*>(name.data()),
                            reinterpret_cast<uint8_t*>(status.data()), name.size(), status.size(),
                            NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t room, uint32_t*,
                            nghttp2_data_source* source, void*) -> ssize_t {
      std::string& answer = static_cast<Server*>(source->ptr)->answer_;
      if (answer.empty()) return NGHTTP2_ERR_DEFERRED;
      const size_t size = answer.copy(reinterpret_cast<char*>(buffer), room);
      answer.erase(0, size);
      return static_cast<ssize_t>(size);
    };
    nghttp2_submit_response(session_, kStream, &header, 1, &body);
  }
  void say(std::string_view bytes) {
    answer_.append(bytes);
    nghttp2_session_resume_data(session_, kStream);
  }
  void end_with_status(std::string grpc_status) {
    std::string name = "grpc-status";
    const nghttp2_nv trailer{reinterpret_cast<uint8_t*>(name.data()),
                             reinterpret_cast<uint8_t*>(grpc_status.data()), name.size(),
                             grpc_status.size(), NGHTTP2_NV_FLAG_NONE};
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_END_STREAM, kStream, nullptr, &trailer, 1,
                           nullptr);
  }
  void reset() { nghttp2_submit_rst_stream(session_, 0, kStream, NGHTTP2_CANCEL); }
  void go_away() { nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR); }

  const std::string& body() const { return body_; }
  std::map<std::string, std::string>& headers() { return headers_; }

 private:
  static constexpr int32_t kStream = 1;

  nghttp2_session* session_ = nullptr;
  std::string body_;
  std::string answer_;
  std::map<std::string, std::string> headers_;
};

class GrpcStreamTest : public ::testing::Test, protected GrpcStream::Listener {
 protected:
  void on_settings() noexcept override { ++settings_; }
  void on_message(std::string_view message) override {
    if (message == "throw") throw std::runtime_error("cannot read that");
    messages_.emplace_back(message);
  }

  // Carries bytes both ways until both are silent. False once the stream has failed.
  bool exchange(size_t piece = SIZE_MAX) {
    for (;;) {
      std::string out;
      if (!stream_.collect(&out)) return false;
      server_.take(out);
      const std::string in = server_.give();
      if (out.empty() && in.empty()) return true;
      for (size_t at = 0; at < in.size(); at += std::min(piece, in.size() - at)) {
        const std::string part = in.substr(at, piece);
        if (!stream_.receive({reinterpret_cast<const uint8_t*>(part.data()), part.size()})) {
          return false;
        }
      }
    }
  }

  void send(std::string_view message) {
    *stream_.outgoing() = framed(message);
    stream_.send();
  }

  GrpcStream stream_{this};
  Server server_;
  int settings_ = 0;
  std::vector<std::string> messages_;
};

TEST_F(GrpcStreamTest, OpensTheCallGrpcExpects) {
  ASSERT_TRUE(exchange());
  EXPECT_EQ(server_.headers()[":method"], "POST");
  EXPECT_EQ(server_.headers()[":path"], "/quota.v1.QuotaService/Decide");
  EXPECT_EQ(server_.headers()[":authority"], "localhost");
  EXPECT_EQ(server_.headers()["content-type"], "application/grpc");
  EXPECT_EQ(server_.headers()["te"], "trailers");
  EXPECT_EQ(settings_, 1);
}

TEST_F(GrpcStreamTest, SendsTheFirstMessageWithItsGreeting) {
  send("one");
  std::string out;
  ASSERT_TRUE(stream_.collect(&out));
  server_.take(out);
  EXPECT_EQ(server_.body(), framed("one"));
  EXPECT_TRUE(stream_.idle());
}

TEST_F(GrpcStreamTest, SendsMessagesOneAfterTheOther) {
  ASSERT_TRUE(exchange());
  for (const char* message : {"one", "two", "three"}) {
    send(message);
    ASSERT_TRUE(exchange());
  }
  EXPECT_EQ(server_.body(), framed("one") + framed("two") + framed("three"));
}

TEST_F(GrpcStreamTest, SendsMoreThanAWindowHoldsAsWindowsOpen) {
  const std::string large(1'000'000, 'x');
  send(large);
  std::string out;
  ASSERT_TRUE(stream_.collect(&out));
  EXPECT_FALSE(stream_.idle());
  server_.take(out);
  ASSERT_TRUE(exchange());
  EXPECT_TRUE(stream_.idle());
  EXPECT_EQ(server_.body(), framed(large));
}

TEST_F(GrpcStreamTest, HandsOverSeveralMessagesOfOneRead) {
  ASSERT_TRUE(exchange());
  server_.begin();
  server_.say(framed("one") + framed("") + framed("two"));
  ASSERT_TRUE(exchange());
  EXPECT_THAT(messages_, ElementsAre("one", "", "two"));
}

TEST_F(GrpcStreamTest, PutsMessagesTogetherFromAnyPieces) {
  for (const size_t piece : {1u, 2u, 3u, 7u}) {
    ASSERT_TRUE(exchange());
    if (piece == 1) server_.begin();
    messages_.clear();
    server_.say(framed("one") + framed("") + framed(std::string(300, 'x')) + framed("two"));
    ASSERT_TRUE(exchange(piece));
    EXPECT_THAT(messages_, ElementsAre("one", "", std::string(300, 'x'), "two")) << piece;
  }
}

TEST_F(GrpcStreamTest, TakesAMessageOfMoreThanAFrame) {
  ASSERT_TRUE(exchange());
  server_.begin();
  const std::string large(2'000'000, 'x');
  server_.say(framed(large));
  ASSERT_TRUE(exchange());
  EXPECT_THAT(messages_, ElementsAre(large));
}

TEST_F(GrpcStreamTest, FailsAtAMessageThatIsTooLargeBeforeItComes) {
  ASSERT_TRUE(exchange());
  server_.begin();
  server_.say(std::string("\0\x10\0\0\0", 5));
  EXPECT_FALSE(exchange());
  EXPECT_THAT(stream_.error(), HasSubstr("4 MB"));
}

TEST_F(GrpcStreamTest, FailsAtACompressedMessage) {
  ASSERT_TRUE(exchange());
  server_.begin();
  server_.say(framed("one", 1));
  EXPECT_FALSE(exchange());
  EXPECT_THAT(stream_.error(), HasSubstr("compressed"));
}

TEST_F(GrpcStreamTest, FailsWithWhatTheListenerThrows) {
  ASSERT_TRUE(exchange());
  server_.begin();
  server_.say(framed("throw"));
  EXPECT_FALSE(exchange());
  EXPECT_STREQ(stream_.error(), "cannot read that");
}

TEST_F(GrpcStreamTest, FailsWhenThePeerIsNoGrpcServer) {
  ASSERT_TRUE(exchange());
  server_.begin("404");
  EXPECT_FALSE(exchange());
  EXPECT_THAT(stream_.error(), HasSubstr("not 200"));
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(GrpcStreamTest, FailsWhenThePeerEndsTheCall) {
  ASSERT_TRUE(exchange());
  server_.begin();
  ASSERT_TRUE(exchange());
  server_.end_with_status("14");
  EXPECT_FALSE(exchange());
  EXPECT_THAT(stream_.error(), HasSubstr("gRPC status 14"));
}

TEST_F(GrpcStreamTest, FailsWhenThePeerResetsTheStream) {
  ASSERT_TRUE(exchange());
  server_.reset();
  EXPECT_FALSE(exchange());
  EXPECT_NE(stream_.error(), nullptr);
}

TEST_F(GrpcStreamTest, FailsWhenThePeerGoesAway) {
  ASSERT_TRUE(exchange());
  server_.go_away();
  EXPECT_FALSE(exchange());
  EXPECT_THAT(stream_.error(), HasSubstr("going away"));
}

TEST_F(GrpcStreamTest, FailsAtBytesThatAreNotHttp2) {
  const std::string_view junk = "HTTP/1.1 400 Bad Request\r\n\r\n";
  std::string out;
  ASSERT_TRUE(stream_.collect(&out));
  // The peer is told why before the call is over.
  const bool received =
      stream_.receive({reinterpret_cast<const uint8_t*>(junk.data()), junk.size()});
  EXPECT_FALSE(received && stream_.collect(&out));
  EXPECT_NE(stream_.error(), nullptr);
}

}  // namespace
}  // namespace quota
