#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// Real Redis servers for tests: each in a directory of its own, gone when the object is.
namespace quota::redis::testing {

// Looks again every few milliseconds until `condition` holds, and false when it never does.
inline bool eventually(const std::function<bool()>& condition, double seconds = 10) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// For clients of tests: patient enough for a machine under load and for a slow disk. Tests that
// wait for a time-out ask for less.
inline constexpr int64_t kPatientUs = 2'000'000;

inline bool can_listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return free;
}

// Below the ports that the system gives to outgoing connections, so that nobody takes it while its
// server is down; and with the one 10000 above free as well, where a cluster's bus listens.
inline int free_port() {
  static std::mt19937 random{std::random_device{}()};
  for (;;) {
    const int port = std::uniform_int_distribution<int>(11'000, 21'999)(random);
    if (can_listen(port) && can_listen(port + 10'000)) return port;
  }
}

// A blocking connection, for what a test does to a server by hand.
class Cli {
 public:
  explicit Cli(redisContext* context) : context_(context) {}

  bool ok() const { return context_ && context_->err == 0; }

  // The answer as redis-cli would print it, roughly: words, one per line; errors begin with '('.
  std::string operator()(const std::vector<std::string>& words) {
    if (!ok()) return "(not connected)";
    std::vector<const char*> argv;
    std::vector<size_t> sizes;
    for (const std::string& word : words) {
      argv.push_back(word.data());
      sizes.push_back(word.size());
    }
    auto* reply = static_cast<redisReply*>(
        redisCommandArgv(context_.get(), static_cast<int>(argv.size()), argv.data(), sizes.data()));
    if (reply == nullptr) return "(broken)";
    const std::string text = print(*reply);
    freeReplyObject(reply);
    return text;
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  static std::string print(const redisReply& reply) {
    switch (reply.type) {
      case REDIS_REPLY_NIL:
        return "(nil)";
      case REDIS_REPLY_INTEGER:
        return std::to_string(reply.integer);
      case REDIS_REPLY_ERROR:
        return "(error) " + std::string(reply.str, reply.len);
      case REDIS_REPLY_ARRAY: {
        std::string text;
        for (size_t i = 0; i < reply.elements; ++i) {
          if (i > 0) text += '\n';
          text += print(*reply.element[i]);
        }
        return text;
      }
      default:
        return std::string(reply.str, reply.len);
    }
  }

  std::unique_ptr<redisContext, Free> context_;
};

// One redis-server, on a TCP port of the loopback address and on a unix socket. It keeps its ports
// and its directory over a restart.
class RedisServer {
 public:
  struct Options {
    std::vector<std::string> arguments{};  // such as {"--requirepass", "secret"}
    std::string password{};                // what cli() says; not what the server asks for
    bool tcp = true;
    bool keeps_data = false;  // append-only file, fsynced with each command
    bool sentinel = false;    // `arguments` are the lines of its configuration instead
  };

  RedisServer() : RedisServer(Options{}) {}
  explicit RedisServer(Options options) : options_(std::move(options)) {
    char name[] = "/tmp/quota-redis-XXXXXX";
    directory_ = mkdtemp(name);
    // Somebody else may take a free port between the look and the start.
    for (int attempt = 0; attempt < 5 && !running(); ++attempt) {
      if (options_.tcp) port_ = free_port();
      start();
    }
    EXPECT_TRUE(running()) << log();
  }
  ~RedisServer() {
    kill9();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  int port() const { return port_; }  // 0 without TCP
  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  std::string socket_path() const { return directory_ + "/redis.sock"; }
  std::string host_and_port() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string unix_url() const { return "redis+unix://" + socket_path(); }
  std::string tcp_url() const { return "redis://" + host_and_port(); }

  // Returns when the server answers, or has ended because it could not start.
  void start() {
    const std::vector<std::string> words = command_line();
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    unlink(socket_path().c_str());
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      // A test that crashes leaves no servers behind.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      const int out = open(log_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      dup2(out, STDOUT_FILENO);
      dup2(out, STDERR_FILENO);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    const bool answered = eventually([this] {
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        return true;
      }
      const std::string pong = cli()({"PING"});
      return pong == "PONG" || pong.starts_with("(error) NOAUTH") ||
             pong.starts_with("(error) WRONGPASS") || pong.starts_with("(error) MASTERDOWN");
    });
    if (!answered) kill9();
  }
  void kill9() {
    if (!running()) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // An orderly end, which saves what is to be kept.
  void terminate() {
    if (!running()) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // The process stands still with its sockets open, as a machine does that hangs.
  void pause() { kill(pid_, SIGSTOP); }
  void resume() { kill(pid_, SIGCONT); }

  void restart() {
    kill9();
    start();
  }
  void restart_empty() {
    kill9();
    std::error_code ignored;
    std::filesystem::remove_all(directory_ + "/appendonlydir", ignored);
    std::filesystem::remove(directory_ + "/dump.rdb", ignored);
    start();
  }
  // What the next start() begins with.
  Options& options() { return options_; }

  Cli cli() const {
    const timeval timeout{2, 0};
    Cli cli(options_.sentinel ? redisConnectWithTimeout("127.0.0.1", port_, timeout)
                              : redisConnectUnixWithTimeout(socket_path().c_str(), timeout));
    if (cli.ok() && !options_.password.empty()) cli({"AUTH", options_.password});
    return cli;
  }
  std::string run(const std::vector<std::string>& words) const { return cli()(words); }

  std::string log() const {
    std::ifstream file(log_path());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

 private:
  std::string log_path() const { return directory_ + "/log"; }

  std::vector<std::string> command_line() const {
    if (options_.sentinel) {
      const std::string path = directory_ + "/sentinel.conf";
      if (!std::filesystem::exists(path)) {
        std::ofstream file(path);
        file << "port " << port_ << "\nbind 127.0.0.1\ndir " << directory_ << "\n";
        for (const std::string& line : options_.arguments) file << line << "\n";
      }
      return {"redis-server", path, "--sentinel"};
    }
    std::vector<std::string> words = {"redis-server",
                                      "--port",
                                      std::to_string(port_),
                                      "--bind",
                                      "127.0.0.1",
                                      "--dir",
                                      directory_,
                                      "--unixsocket",
                                      socket_path(),
                                      "--save",
                                      "",
                                      "--enable-debug-command",
                                      "yes",
                                      "--repl-diskless-sync-delay",
                                      "0"};
    if (options_.keeps_data) {
      words.insert(words.end(), {"--appendonly", "yes", "--appendfsync", "always"});
    }
    words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
    return words;
  }

  Options options_;
  std::string directory_;
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace quota::redis::testing
