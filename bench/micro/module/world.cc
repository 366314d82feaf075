#include "micro/module/world.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "quota/v1/quota.pb.h"
#include "rate_headers.h"

namespace quota::bench {
namespace {

constexpr int64_t kNowMs = 1'795'167'389'000;

// HTTP/2 frames of the one stream of a call, and of the connection (stream 0).
enum FrameType : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kWindowUpdate = 8 };
constexpr uint32_t kStream = 1;
constexpr uint8_t kEndHeaders = 4;
constexpr uint8_t kAck = 1;

std::string big_endian(uint64_t number, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text += static_cast<char>(number >> shift);
  }
  return text;
}

std::string frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view body) {
  std::string bytes = big_endian(body.size(), 3);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  return bytes.append(big_endian(stream, 4)).append(body);
}

std::string window_updates(uint32_t more) {
  return frame(kWindowUpdate, 0, 0, big_endian(more, 4)) +
         frame(kWindowUpdate, 0, kStream, big_endian(more, 4));
}

// A message in DATA frames of the size that gRPC makes them.
std::string data_frames(const std::string& message) {
  constexpr size_t kMost = 16'384;
  const std::string body = '\0' + big_endian(message.size(), 4) + message;
  std::string bytes;
  for (size_t at = 0; at < body.size(); at += kMost) {
    bytes += frame(kData, 0, kStream, std::string_view(body).substr(at, kMost));
  }
  return bytes;
}

std::string padded(size_t number, size_t digits) {
  std::string text = std::to_string(number);
  return std::string(digits - text.size(), '0') + text;
}

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::exit(1);
}

void receive(GrpcStream& stream, std::string_view bytes) {
  const std::span<const uint8_t> all{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  if (!stream.receive(all)) give_up(stream.error());
}

}  // namespace

ModuleCheck::ModuleCheck(size_t number)
    : key_("sk_live_" + padded(number, 24)),
      path_(std::array{"/identify", "/compare", "/batch", "/other"}[number % 4]),
      address_{'\x0b', '\0', static_cast<char>(number >> 8), static_cast<char>(number)},
      facts_{{.field = Field::kApiKey, .name = "api_key", .value = key_}} {}

Check ModuleCheck::get(uint64_t id) const {
  return {.id = id, .method = "GET", .path = path_, .client_ip = address_, .facts = facts_};
}

std::string make_response(size_t checks) {
  v1::DecideResponse response;
  for (size_t i = 0; i < checks; ++i) {
    v1::Verdict& verdict = *response.add_verdicts();
    verdict.set_id(uint64_t{1} << 32 | i);
    verdict.set_outcome(v1::ALLOWED);
    verdict.set_reason("ok");
    verdict.set_consumer("consumer-" + padded(i, 7));
    verdict.set_tier("pro");
    verdict.set_endpoint("/identify");
    verdict.set_cost_milli(1000);
    verdict.mutable_minute()->set_limit(1000);
    verdict.mutable_minute()->set_remaining(999 - i);
    verdict.mutable_minute()->set_reset_unix_ms(kNowMs + 123);
    verdict.mutable_minute()->set_window_s(60);
    verdict.mutable_month()->set_limit(1'000'000);
    verdict.mutable_month()->set_remaining(987'654 - i);
    verdict.mutable_month()->set_reset_unix_ms(1'796'083'200'000);
    verdict.mutable_month()->set_window_s(2'592'000);
  }
  response.set_ack(true);
  return response.SerializeAsString();
}

size_t write_headers(const Verdict& verdict, int64_t now_unix_ms) {
  std::array<char, RateHeaders::kTextBytes> text;
  RateHeaders headers{text};
  headers.add_legacy(verdict);
  headers.add_ietf(verdict, now_unix_ms);
  headers.add_tier(verdict.tier);
  size_t bytes = 0;
  for (const Header& header : headers.get()) bytes += header.value.size();
  return bytes;
}

ModuleLoop::ModuleLoop(size_t checks_in_a_batch)
    : requests_(checks_in_a_batch), answer_(data_frames(make_response(checks_in_a_batch))) {
  for (size_t i = 0; i < checks_in_a_batch; ++i) checks_.emplace_back(i);
  if (!stream_.collect(&wire_)) give_up(stream_.error());
  // A peer that takes 1 GB before it has to say more, and has accepted the call (":status: 200").
  receive(stream_, frame(kSettings, 0, 0, {}) + frame(kSettings, kAck, 0, {}) +
                       window_updates(1U << 30) + frame(kHeaders, kEndHeaders, kStream, "\x88"));
  if (!stream_.collect(&wire_)) give_up(stream_.error());
  wire_.clear();
}

void ModuleLoop::next() {
  for (size_t i = 0; i < checks_.size(); ++i) {
    requests_[i].slot = slots_.acquire(&requests_[i]);
    batches_.append(checks_[i].get(requests_[i].slot));
  }
  batches_.take(stream_.outgoing());
  stream_.send();
  if (!stream_.collect(&wire_)) give_up(stream_.error());
  unacknowledged_ += wire_.size();
  wire_.clear();
  answered_ = 0;
  receive(stream_, answer_);
}

void ModuleLoop::on_message(std::string_view message) {
  decode_response(message, [this](const Verdict& verdict) {
    // The answer was made before these slots were given out.
    Request* const request = slots_.find(requests_[answered_++].slot);
    slots_.release(request->slot);
    request->header_bytes = write_headers(verdict, kNowMs);
    metrics_.worker(0)->count(Outcome::kAllowed);
    metrics_.worker(0)->observe_wait(40);
    ++verdicts_;
  });
}

void ModuleLoop::tidy() {
  if (unacknowledged_ == 0) return;
  receive(stream_, window_updates(static_cast<uint32_t>(unacknowledged_)));
  unacknowledged_ = 0;
}

}  // namespace quota::bench
