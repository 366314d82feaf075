#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/settings.h"

namespace quota::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string fault(const Settings& settings) { return std::string(validate(settings).message()); }

TEST(Validate, TheDefaultsAreValid) { EXPECT_TRUE(validate(Settings{}).ok()); }

TEST(Validate, TcpBeyondLoopbackNeedsTls) {
  Settings settings;
  settings.listen = "0.0.0.0:9181";
  EXPECT_THAT(fault(settings), HasSubstr("tls_cert and tls_key"));
  settings.tls_cert = "/etc/cert.pem";
  settings.tls_key = "/etc/key.pem";
  EXPECT_EQ(fault(settings), "");
}

TEST(Validate, TcpOnLoopbackMayDoWithoutTls) {
  Settings settings;
  settings.listen = "127.0.0.1:9181";
  EXPECT_EQ(fault(settings), "");
}

TEST(Validate, TlsSettingsComeTogether) {
  Settings settings;
  settings.listen = "0.0.0.0:9181";
  settings.tls_cert = "/etc/cert.pem";
  EXPECT_THAT(fault(settings), HasSubstr("both or neither"));
  settings.tls_cert.clear();
  settings.tls_client_ca = "/etc/ca.pem";
  EXPECT_THAT(fault(settings), HasSubstr("needs tls_cert"));
}

TEST(Validate, ClientCertificatesAreNotPromisedOnAUnixSocket) {
  Settings settings;
  settings.tls_cert = settings.tls_key = settings.tls_client_ca = "/etc/x.pem";
  EXPECT_THAT(fault(settings), HasSubstr("no effect on unix:/tmp/quota.sock"));
}

TEST(Validate, AdminBeyondLoopbackNeedsAToken) {
  Settings settings;
  settings.admin_listen = "0.0.0.0:9180";
  EXPECT_THAT(fault(settings), HasSubstr("QUOTAD_ADMIN_TOKEN"));
  settings.admin_token = "0123456789abcdef";
  EXPECT_EQ(fault(settings), "");
}

TEST(Validate, AdminMayBeOffButNotAUnixSocket) {
  Settings settings;
  settings.admin_listen = "off";
  EXPECT_EQ(fault(settings), "");
  settings.admin_listen = "unix:/run/admin.sock";
  EXPECT_THAT(fault(settings), HasSubstr("admin_listen: "));
}

TEST(Validate, NamesTheSettingThatIsOutOfRange) {
  Settings settings;
  settings.threads = 65;
  EXPECT_THAT(fault(settings), HasSubstr("threads: \"65\" is not a whole number from 1 to 64"));
  settings = Settings{};
  settings.max_subjects = 0;
  EXPECT_THAT(fault(settings), HasSubstr("max_subjects: "));
}

TEST(Validate, EventsNeedWhereTheyGo) {
  Settings settings;
  settings.events = "file";
  EXPECT_THAT(fault(settings), HasSubstr("needs events_file"));
  settings.events_file = "/var/log/quotad/events.jsonl";
  EXPECT_EQ(fault(settings), "");
  settings.events = "off";
  EXPECT_THAT(fault(settings), HasSubstr("events_file has no effect while events is off"));
  settings.events_file = "events.jsonl";
  EXPECT_THAT(fault(settings), HasSubstr("events_file: \"events.jsonl\" is not the absolute path"));
}

TEST(Validate, EventsInRedisNeedRedis) {
  Settings settings;
  settings.events = "redis";
  EXPECT_THAT(fault(settings), HasSubstr("events: redis needs a store in Redis"));
  settings.store = "redis://redis";
  EXPECT_EQ(fault(settings), "");
}

TEST(Validate, AWebhookIsSignedAndItsUrlIsNotRepeated) {
  Settings settings;
  settings.webhook_url = "https://hooks.example.com/hunter2";
  EXPECT_THAT(fault(settings),
              AllOf(HasSubstr("QUOTAD_WEBHOOK_SECRET"), Not(HasSubstr("hunter2"))));
  settings.webhook_secret = "0123456789abcdef";
  EXPECT_EQ(fault(settings), "");
  settings.webhook_url = "hooks.example.com/hunter2";
  EXPECT_THAT(fault(settings),
              AllOf(HasSubstr("webhook_url: the URL starts neither"), Not(HasSubstr("hunter2"))));
  settings.webhook_url.clear();
  EXPECT_THAT(fault(settings), HasSubstr("belong together"));
}

}  // namespace
}  // namespace quota::config
