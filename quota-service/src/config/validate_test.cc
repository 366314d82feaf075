#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/settings.h"

namespace quota::config {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace quota::config
