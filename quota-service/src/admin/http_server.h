#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "admin/http.h"

namespace quota::admin {

// An HTTP/1.1 server for a few trusted callers. One request per connection, four at a time, and
// each connection is bounded in time and in bytes, so that a slow or hostile peer holds up little.
class HttpServer {
 public:
  using Handler = std::function<Reply(const Request&)>;

  explicit HttpServer(Handler handler);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Port 0: any free one.
  absl::Status start(const std::string& host, int port);
  int port() const { return port_; }
  void stop();

 private:
  class Library;

  std::unique_ptr<Library> library_;
  std::thread thread_;
  int port_ = 0;
};

}  // namespace quota::admin
