#include "events/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "base/hmac.h"
#include "telemetry/logging.h"

namespace quota::events {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

struct Call {
  std::string target;
  std::string body;
  std::string type;
  std::string delivery;
  std::string signature;
};

// A receiver that answers with one status after the other, and then with the last one of them.
class Receiver {
 public:
  explicit Receiver(std::vector<int> statuses) : statuses_(std::move(statuses)) {
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      response.status = statuses_[std::min(calls_.size(), statuses_.size() - 1)];
      if (response.status / 100 == 3) response.set_header("Location", "/elsewhere");
      response.set_content(std::string(100'000, 'x'), "text/plain");
      calls_.push_back({request.target, request.body, request.get_header_value("Content-Type"),
                        request.get_header_value("X-Quota-Delivery"),
                        request.get_header_value("X-Quota-Signature")});
      called_.notify_all();
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Receiver() {
    server_.stop();
    thread_.join();
  }

  std::vector<Call> wait_for(size_t calls) {
    std::unique_lock lock(mutex_);
    called_.wait_for(lock, std::chrono::seconds(20), [&] { return calls_.size() >= calls; });
    return calls_;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook?x=%20y"; }

 private:
  httplib::Server server_;
  const std::vector<int> statuses_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable called_;
  std::vector<Call> calls_;
  std::thread thread_;
};

// Pauses are over at once, and noted.
struct Pauses {
  std::function<void(int64_t)> note() {
    return [this](int64_t us) {
      const std::lock_guard lock(mutex);
      all.push_back(us);
    };
  }
  std::mutex mutex;
  std::vector<int64_t> all;
};

WebhookOptions options(const std::string& url, Pauses& pauses) {
  return {.url = *parse_http_url(url), .secret = "a secret of the tests", .pause = pauses.note()};
}

void wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(WebhookTest, PostsASignedEvent) {
  Receiver receiver({200});
  Pauses pauses;
  Webhook webhook(options(receiver.url(), pauses));
  webhook.send(R"({"kind":"month_80"})");
  const auto calls = receiver.wait_for(1);
  ASSERT_THAT(calls, SizeIs(1));
  EXPECT_EQ(calls[0].target, "/hook?x=%20y");
  EXPECT_EQ(calls[0].body, R"({"kind":"month_80"})");
  EXPECT_EQ(calls[0].type, "application/json");
  EXPECT_THAT(calls[0].delivery,
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  ASSERT_THAT(calls[0].signature, MatchesRegex("t=[0-9]+,v1=[0-9a-f]{64}"));
  const size_t comma = calls[0].signature.find(',');
  const std::string time = calls[0].signature.substr(2, comma - 2);
  EXPECT_NEAR(std::stod(time), static_cast<double>(std::time(nullptr)), 30);
  EXPECT_EQ(calls[0].signature.substr(comma + 4),
            to_hex(hmac_sha256("a secret of the tests", time + "." + calls[0].body)));
  wait_until([&] { return webhook.stats().ok == 1; });
  EXPECT_EQ(webhook.stats().ok, 1U);
  EXPECT_EQ(webhook.stats().errors, 0U);
}

TEST(WebhookTest, TriesAgainLaterAndLaterAsTheSameDelivery) {
  Receiver receiver({500, 503, 408, 429, 204});
  Pauses pauses;
  Webhook webhook(options(receiver.url(), pauses));
  webhook.send("{}");
  const auto calls = receiver.wait_for(5);
  ASSERT_THAT(calls, SizeIs(5));
  for (const Call& call : calls) EXPECT_EQ(call.delivery, calls[0].delivery);
  wait_until([&] { return webhook.stats().ok == 1; });
  EXPECT_THAT(
      pauses.all,
      ElementsAre(AllOf(Ge(500'000), Le(1'000'000)), AllOf(Ge(2'000'000), Le(4'000'000)),
                  AllOf(Ge(8'000'000), Le(16'000'000)), AllOf(Ge(30'000'000), Le(60'000'000))));
  EXPECT_EQ(webhook.stats().errors, 4U);
  EXPECT_EQ(webhook.stats().dropped, 0U);
}

TEST(WebhookTest, GivesUpAfterTheLastAttemptAndGoesOnWithTheNext) {
  Receiver receiver({500, 500, 500, 500, 500, 200});
  Pauses pauses;
  Webhook webhook(options(receiver.url(), pauses));
  webhook.send("one");
  webhook.send("two");
  const auto calls = receiver.wait_for(6);
  ASSERT_THAT(calls, SizeIs(6));
  EXPECT_EQ(calls[4].body, "one");
  EXPECT_EQ(calls[5].body, "two");
  EXPECT_NE(calls[4].delivery, calls[5].delivery);
  EXPECT_EQ(webhook.stats().dropped, 1U);
}

TEST(WebhookTest, DoesNotRepeatWhatIsRefusedNorFollowARedirect) {
  for (const int status : {400, 401, 404, 410, 302, 307}) {
    Receiver receiver({status, 200});
    Pauses pauses;
    Webhook webhook(options(receiver.url(), pauses));
    webhook.send("refused");
    webhook.send("next");
    const auto calls = receiver.wait_for(2);
    ASSERT_THAT(calls, SizeIs(2)) << status;
    EXPECT_EQ(calls[1].body, "next") << status;
    EXPECT_EQ(calls[1].target, "/hook?x=%20y") << status;
    EXPECT_EQ(webhook.stats().dropped, 1U) << status;
  }
}

TEST(WebhookTest, TriesAgainWhenNobodyIsThere) {
  Pauses pauses;
  std::string url;
  {
    Receiver gone({200});
    url = gone.url();
  }
  Webhook webhook(options(url, pauses));
  telemetry::set_up_logging("info", "text");
  testing::internal::CaptureStderr();
  webhook.send("{}");
  wait_until([&] { return webhook.stats().dropped == 1; });
  webhook.stop();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(webhook.stats().errors, 5U);
  EXPECT_EQ(webhook.stats().dropped, 1U);
  EXPECT_THAT(log, HasSubstr("webhook: http://127.0.0.1:"));
  EXPECT_THAT(log, Not(HasSubstr("/hook")));
}

TEST(WebhookTest, DropsTheOldestWhereThereIsNoRoom) {
  Receiver receiver({500, 200});
  WebhookOptions small;
  std::mutex held;
  held.lock();
  small.url = *parse_http_url(receiver.url());
  small.secret = "a secret of the tests";
  small.most_waiting = 2;
  small.pause = [&](int64_t) { const std::lock_guard wait(held); };
  Webhook webhook(std::move(small));
  webhook.send("0");
  receiver.wait_for(1);  // it is tried, and will be again
  for (const char* body : {"1", "2", "3", "4"}) webhook.send(body);
  EXPECT_EQ(webhook.stats().dropped, 2U);
  held.unlock();
  const auto calls = receiver.wait_for(4);
  ASSERT_THAT(calls, SizeIs(4));
  EXPECT_EQ(calls[1].body, "0");
  EXPECT_EQ(calls[2].body, "3");
  EXPECT_EQ(calls[3].body, "4");
}

TEST(WebhookTest, AStopWaitsForNoPause) {
  Receiver receiver({500});
  WebhookOptions slow;
  slow.url = *parse_http_url(receiver.url());
  slow.least_pause_us = slow.most_pause_us = 3'600'000'000;
  Webhook webhook(std::move(slow));
  webhook.send("one");
  webhook.send("two");
  receiver.wait_for(1);
  webhook.stop();
  webhook.send("three");
  EXPECT_EQ(webhook.stats().dropped, 3U);
}

}  // namespace
}  // namespace quota::events
