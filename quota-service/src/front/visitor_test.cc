#include "front/visitor.h"

#include <gtest/gtest.h>

#include <string>

#include "grpc_stream.h"

namespace quota::front {
namespace {

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Silent final : public GrpcStream::Listener {
  void on_settings() noexcept override {}
  void on_message(std::string_view) override {}
};

std::string what_the_module_says() {
  Silent listener;
  GrpcStream stream(&listener);
  std::string bytes;
  EXPECT_TRUE(stream.collect(&bytes));
  return bytes;
}

// A SETTINGS frame of entries of six bytes each.
std::string settings(const std::string& entries) {
  std::string frame(3, '\0');
  frame[1] = static_cast<char>(entries.size() >> 8);
  frame[2] = static_cast<char>(entries.size());
  return frame + '\x04' + std::string(5, '\0') + entries;
}

const std::string kMark{"\xf0\x71\0\0\0\1", 6};
const std::string kWindow{"\0\4\0\1\0\0", 6};

TEST(Visitor, TheModuleIsRecognized) {
  EXPECT_EQ(recognize(what_the_module_says()), Visitor::kGateway);
}

TEST(Visitor, TheMarkMayStandAnywhereAmongTheSettings) {
  EXPECT_EQ(recognize(kPreface + settings(kMark)), Visitor::kGateway);
  EXPECT_EQ(recognize(kPreface + settings(kWindow + kWindow + kMark)), Visitor::kGateway);
}

TEST(Visitor, NobodyIsJudgedBeforeTheirSettingsAreThere) {
  const std::string whole = kPreface + settings(kWindow + kMark);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(recognize(whole.substr(0, size)), Visitor::kUnknownYet) << size;
  }
  EXPECT_EQ(recognize(whole), Visitor::kGateway);
}

TEST(Visitor, WhoHasNoMarkIsAnother) {
  EXPECT_EQ(recognize(kPreface + settings("")), Visitor::kOther);
  EXPECT_EQ(recognize(kPreface + settings(kWindow)), Visitor::kOther);
}

TEST(Visitor, AMarkOfAnotherVersionIsNone) {
  EXPECT_EQ(recognize(kPreface + settings({"\xf0\x71\0\0\0\2", 6})), Visitor::kOther);
}

TEST(Visitor, AMarkThatStraddlesTwoEntriesIsNone) {
  EXPECT_EQ(recognize(kPreface + settings(kWindow.substr(0, 3) + kMark + kWindow.substr(3))),
            Visitor::kOther);
  EXPECT_EQ(recognize(kPreface + settings(kWindow + kMark.substr(0, 4))), Visitor::kOther);
}

TEST(Visitor, WhoSpeaksAnotherProtocolIsAnotherAtTheFirstByteThatTells) {
  EXPECT_EQ(recognize("G"), Visitor::kOther);
  EXPECT_EQ(recognize("\x16\x03\x01"), Visitor::kOther);  // TLS
  EXPECT_EQ(recognize("PRI * HTTP/1"), Visitor::kOther);
  EXPECT_EQ(recognize(kPreface + std::string(9, '\0')), Visitor::kOther);  // DATA
}

TEST(Visitor, SettingsBeyondWhatIsLookedAtAreAnothers) {
  std::string many;
  while (many.size() < kVisitorBytes) many += kWindow;
  EXPECT_EQ(recognize((kPreface + settings(many + kMark)).substr(0, kVisitorBytes)),
            Visitor::kOther);
}

}  // namespace
}  // namespace quota::front
