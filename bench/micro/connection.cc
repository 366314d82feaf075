#include "micro/connection.h"

#include <cstdio>
#include <cstdlib>

#include "grpc_stream.h"

namespace quota::bench {
namespace {

// What the module says first.
class Greeting final : private GrpcStream::Listener {
 public:
  std::string bytes() {
    std::string all;
    return stream_.collect(&all) ? all : "";
  }

 private:
  void on_settings() noexcept override {}
  void on_message(std::string_view) override {}
  GrpcStream stream_{this};
};

// A gRPC message in DATA frames of the call, as large as HTTP/2 allows unasked.
std::string data_frames(std::string_view message) {
  constexpr size_t kMost = 16'384;
  std::string framed(kMessagePrefixSize, '\0');
  framed += message;
  write_message_prefix(framed.data(), framed.size());
  std::string frames;
  for (size_t at = 0; at < framed.size(); at += kMost) {
    const std::string part = framed.substr(at, kMost);
    frames += {'\0', static_cast<char>(part.size() >> 8), static_cast<char>(part.size())};
    frames += std::string(5, '\0') + '\1' + part;  // DATA, no flags, stream 1
  }
  return frames;
}

}  // namespace

ConnectionLoop::ConnectionLoop(DecideLoop& decides, const std::vector<std::string>& batches)
    : decides_(decides) {
  for (const std::string& batch : batches) frames_.push_back(data_frames(batch));
  if (!session_.receive(Greeting().bytes())) std::abort();
  take();
  bytes_ = 0;
}

void ConnectionLoop::next() {
  if (!session_.receive(frames_[at_])) std::abort();
  take();
  at_ = at_ + 1 < frames_.size() ? at_ + 1 : 0;
}

void ConnectionLoop::take() {
  do {
    out_.clear();
    if (!session_.collect(out_)) std::abort();
    bytes_ += out_.size();
  } while (!out_.empty());
}

bool ConnectionLoop::on_batch(std::string_view batch, std::string& response, uint64_t&) {
  return decides_.decide(batch, response);
}

}  // namespace quota::bench
