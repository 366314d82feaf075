#include "front/listen_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace quota::front {
namespace {

using testing::HasSubstr;

class ListenSocketTest : public testing::Test {
 protected:
  ListenSocketTest() {
    char name[] = "/tmp/quota-listen-XXXXXX";
    dir_ = mkdtemp(name);
    path_ = dir_ + "/quota.sock";
  }
  ~ListenSocketTest() override { std::filesystem::remove_all(dir_); }

  // A socket file at path_; the descriptor listens when asked to.
  int bind_socket(bool listening) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    if (listening) {
      EXPECT_EQ(listen(fd, 1), 0);
    }
    return fd;
  }

  std::string dir_;
  std::string path_;
};

TEST_F(ListenSocketTest, AFreePathIsClaimed) { EXPECT_TRUE(ListenSocket::claim(path_).ok()); }

TEST_F(ListenSocketTest, ASocketThatADeadProcessLeftIsTakenOver) {
  close(bind_socket(true));
  EXPECT_TRUE(ListenSocket::claim(path_).ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListenSocketTest, ASocketWithAListenerIsLeftAlone) {
  const int fd = bind_socket(true);
  const auto claimed = ListenSocket::claim(path_);
  ASSERT_FALSE(claimed.ok());
  EXPECT_THAT(std::string(claimed.status().message()), HasSubstr("already listens on " + path_));
  EXPECT_TRUE(std::filesystem::exists(path_));
  close(fd);
}

TEST_F(ListenSocketTest, TwoThatStartAtOnceDoNotBothGetIt) {
  const auto first = ListenSocket::claim(path_);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(ListenSocket::claim(path_).ok());
}

TEST_F(ListenSocketTest, TheClaimEndsWithItsOwner) {
  { const auto first = ListenSocket::claim(path_); }
  EXPECT_TRUE(ListenSocket::claim(path_).ok());
}

TEST_F(ListenSocketTest, AFileThatIsNoSocketIsNeverRemoved) {
  std::ofstream(path_) << "precious";
  const auto claimed = ListenSocket::claim(path_);
  ASSERT_FALSE(claimed.ok());
  EXPECT_THAT(std::string(claimed.status().message()), HasSubstr("is not a socket"));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ListenSocketTest, AMissingDirectoryIsNamed) {
  const auto claimed = ListenSocket::claim(dir_ + "/none/quota.sock");
  ASSERT_FALSE(claimed.ok());
  EXPECT_THAT(std::string(claimed.status().message()), HasSubstr(dir_ + "/none/quota.sock"));
}

TEST_F(ListenSocketTest, APathThatDoesNotFitIsRefused) {
  EXPECT_FALSE(ListenSocket::claim("/tmp/" + std::string(200, 'x')).ok());
}

TEST_F(ListenSocketTest, TheModeIsAsAsked) {
  const auto claimed = ListenSocket::claim(path_);
  ASSERT_TRUE(claimed.ok());
  const int fd = bind_socket(true);
  ASSERT_TRUE(claimed->open_to("0622", "").ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0622u);
  EXPECT_FALSE(claimed->open_to("0660", "no-such-group-here").ok());
  close(fd);
}

}  // namespace
}  // namespace quota::front
