#include "admin/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <semaphore>
#include <utility>

#include "admin/bounded_stream.h"

namespace quota::admin {
namespace {

// A browser opens connections ahead, and each may be idle for as long as its time allows.
constexpr size_t kThreads = 4;
constexpr std::ptrdiff_t kMostConnections = 64;
constexpr size_t kLongestPath = 2048;

// A pool that takes no more than it can hold: then the caller, who accepts connections, waits, and
// the rest queues up in the kernel.
class BoundedPool final : public httplib::ThreadPool {
 public:
  BoundedPool() : httplib::ThreadPool(kThreads) {}

  // void in some versions of the library, bool in others.
  using Enqueued = decltype(std::declval<httplib::ThreadPool&>().enqueue({}));

  Enqueued enqueue(std::function<void()> connection) override {
    room_.acquire();
    return httplib::ThreadPool::enqueue([this, connection = std::move(connection)] {
      connection();
      room_.release();
    });
  }

 private:
  std::counting_semaphore<kMostConnections> room_{kMostConnections};
};

void prepare(httplib::Request& request) {
  // Answers are small and whole; many overlapping ranges of one would make it huge.
  request.ranges.clear();
  // Without this the library waits for a body until the peer hangs up.
  if (!request.has_header("Content-Length")) request.set_header("Content-Length", "0");
}

std::optional<Reply> refuse(const httplib::Request& request) {
  if (request.path.size() > kLongestPath) return problem(414, "the path is too long");
  if (request.get_header_value_count("Host") > 1) {
    return problem(400, "there is more than one Host header");
  }
  if (request.has_header("Transfer-Encoding")) {
    return problem(411, "send the body in one piece with a Content-Length");
  }
  if (request.has_header("Content-Encoding")) {
    return problem(415, "send the body as it is, without Content-Encoding");
  }
  const std::string length = request.get_header_value("Content-Length");
  const bool number = !length.empty() && length.size() < 16 &&
                      length.find_first_not_of("0123456789") == std::string::npos;
  if (!number || request.get_header_value_count("Content-Length") > 1) {
    return problem(400, "the Content-Length is not one number");
  }
  if (std::stoull(length) > BoundedStream::kMostBody) {
    return problem(413, "the body is larger than 1 MB; send less at once");
  }
  return std::nullopt;
}

void give(const Reply& reply, httplib::Response& response) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name, value);
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_content(reply.body, reply.content_type);
}

}  // namespace

class HttpServer::Library final : public httplib::Server {
 public:
  explicit Library(HttpServer::Handler handler) : handler_(std::move(handler)) {
    new_task_queue = [] { return new BoundedPool; };
    // The library would also set SO_REUSEPORT, and a second quotad would then share the port.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    set_payload_max_length(BoundedStream::kMostBody);
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      const auto refusal = refuse(request);
      if (!refusal) return HandlerResponse::Unhandled;
      give(*refusal, response);
      return HandlerResponse::Handled;
    });
    // What the library refuses by itself.
    set_error_handler(
        httplib::Server::Handler([](const httplib::Request&, httplib::Response& response) {
          if (!response.body.empty()) return;
          give(problem(response.status, "this is not a request that can be answered"), response);
        }));
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
          give(problem(500, "quotad failed to answer; its log says more"), response);
        });
    const auto all = [this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
    };
    // Newlines are bytes of a path too, and `.` does not match them.
    constexpr const char* kAnything = "[\\s\\S]*";
    Get(kAnything, all).Post(kAnything, all).Put(kAnything, all);
    Patch(kAnything, all).Delete(kAnything, all).Options(kAnything, all);
  }

  void begin_stop() { stopping_ = true; }

 private:
  void answer(const httplib::Request& request, httplib::Response& response) {
    give(handler_({.method = request.method,
                   .path = request.path,
                   .query = request.params,
                   .authorization = request.get_header_value("Authorization"),
                   .host = request.has_header("Host")
                               ? std::optional(request.get_header_value("Host"))
                               : std::nullopt,
                   .content_type = request.get_header_value("Content-Type"),
                   .body = request.body}),
         response);
  }

  bool process_and_close_socket(socket_t socket) override {
    BoundedStream stream(socket, stopping_);
    return serve(*this, stream);
  }

  // The library's newer versions also want the addresses, which nobody here asks for.
  template <typename Server>
  static bool serve(Server& server, BoundedStream& stream) {
    bool closed = false;
    if constexpr (requires { server.process_request(stream, true, closed, prepare); }) {
      return server.process_request(stream, true, closed, prepare);
    } else {
      return server.process_request(stream, "", 0, "", 0, true, closed, prepare);
    }
  }

  const HttpServer::Handler handler_;
  std::atomic<bool> stopping_{false};
};

HttpServer::HttpServer(Handler handler)
    : library_(std::make_unique<Library>([handler = std::move(handler)](const Request& request) {
        try {
          return handler(request);
        } catch (const std::exception& error) {
          spdlog::error("admin: a {} request failed: {}", request.method, error.what());
          return problem(500, "quotad failed to answer; its log says more");
        }
      })) {}

HttpServer::~HttpServer() { stop(); }

absl::Status HttpServer::start(const std::string& host, int port) {
  errno = 0;
  port_ = port;
  if (port == 0) {
    port_ = library_->bind_to_any_port(host);
  } else if (!library_->bind_to_port(host, port)) {
    port_ = -1;
  }
  if (port_ <= 0) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}:{} for the admin API: {}; choose another --admin-listen",
                    host, port, errno == 0 ? "not an address of this host" : std::strerror(errno)));
  }
  thread_ = std::thread([this] {
    if (!library_->listen_after_bind()) spdlog::error("admin: the API stopped listening");
  });
  // The library misses a stop that comes before its loop runs.
  for (int i = 0; i < 1000 && !library_->is_running(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return absl::OkStatus();
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  library_->begin_stop();
  library_->stop();
  thread_.join();
}

}  // namespace quota::admin
