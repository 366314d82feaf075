#include "redis/link.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace quota::redis {

// The hiredis context and its handles. It outlives the link by a turn of the loop: in hiredis 0.14,
// a context that is freed in its connect callback is used afterwards.
struct Link::Socket {
  Socket(Link* owner, LoopPtr on, redisAsyncContext* opened)
      : link(owner), loop(std::move(on)), context(opened) {
    uv_poll_init(loop->uv, &poll, context->c.fd);
    uv_prepare_init(loop->uv, &before_wait);
    poll.data = before_wait.data = this;
    context->data = context->ev.data = this;
    context->ev.addRead = [](void* socket) { static_cast<Socket*>(socket)->want(UV_READABLE); };
    context->ev.addWrite = [](void* socket) { static_cast<Socket*>(socket)->want_write(); };
    context->ev.delWrite = [](void* socket) { static_cast<Socket*>(socket)->written(); };
    context->ev.cleanup = [](void* socket) { static_cast<Socket*>(socket)->given_up(); };
    redisAsyncSetConnectCallback(context, [](const redisAsyncContext* from, int status) {
      static_cast<Socket*>(from->data)->connected(status);
    });
    // Writable means connected; a failure shows as either.
    want(UV_READABLE | UV_WRITABLE);
  }

  void want(int events) {
    if (closing || (watched & events) == events) return;
    watched |= events;
    watch();
  }
  void watch() {
    uv_poll_start(&poll, watched, [](uv_poll_t* handle, int status, int events) {
      static_cast<Socket*>(handle->data)->ready(status, events);
    });
  }
  // Nothing is written before the loop waits again, so that all of a turn goes in one write.
  void want_write() {
    if (closing || !is_connected) return;
    unwritten = true;
    uv_prepare_start(&before_wait, [](uv_prepare_t* handle) {
      uv_prepare_stop(handle);
      static_cast<Socket*>(handle->data)->write();
    });
  }
  void write() {
    if (context == nullptr || closing) return;
    redisAsyncHandleWrite(context);
    // The system took not all: go on when there is room.
    if (unwritten && !closing) {
      uv_prepare_stop(&before_wait);
      want(UV_WRITABLE);
    }
    if (link != nullptr) link->events_.link_written();
  }
  void written() {
    unwritten = false;
    if (closing || (watched & UV_WRITABLE) == 0) return;
    watched &= ~UV_WRITABLE;
    watch();
  }

  void ready(int status, int events) {
    if (status < 0 || !is_connected) events = UV_READABLE | UV_WRITABLE;
    if ((events & UV_WRITABLE) != 0 && context != nullptr && !closing) write();
    if ((events & UV_READABLE) != 0 && context != nullptr && !closing) {
      redisAsyncHandleRead(context);
    }
  }

  void connected(int status) {
    if (status != REDIS_OK || link == nullptr) return;  // given_up() follows
    is_connected = true;
    link->opened_ = true;
    link->events_.link_opened();
  }

  // hiredis frees the context, by itself or because close() asked for it.
  void given_up() {
    std::string why = context->c.errstr;
    context->ev = {};
    context = nullptr;
    Link* const owner = std::exchange(link, nullptr);
    close();
    if (owner != nullptr) owner->lost(std::move(why));
  }

  void close() {
    link = nullptr;
    if (std::exchange(closing, true)) return;
    const auto closed = [](uv_handle_t* handle) {
      auto* socket = static_cast<Socket*>(handle->data);
      if (--socket->open_handles > 0) return;
      if (socket->context != nullptr) redisAsyncFree(socket->context);
      delete socket;
    };
    uv_close(reinterpret_cast<uv_handle_t*>(&poll), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&before_wait), closed);
  }

  Link* link;
  LoopPtr loop;
  redisAsyncContext* context;
  uv_poll_t poll{};
  uv_prepare_t before_wait{};
  int watched = 0;
  int open_handles = 2;
  bool is_connected = false;
  bool unwritten = false;
  bool closing = false;
};

struct Link::Lookup {
  uv_getaddrinfo_t request{};
  LoopPtr loop;
  Link* link = nullptr;
};

Link::Link(LoopPtr loop, Address address, std::shared_ptr<const Tls> tls, Events& events)
    : loop_(std::move(loop)),
      address_(std::move(address)),
      tls_(std::move(tls)),
      events_(events),
      soon_(loop_, [this] { connect_next(); }) {
  in6_addr numeric{};
  if (address_.is_unix() || inet_pton(AF_INET, address_.host.c_str(), &numeric) == 1 ||
      inet_pton(AF_INET6, address_.host.c_str(), &numeric) == 1) {
    hosts_.push_back(address_.host);
    connect_next();
  } else {
    look_up();
  }
}

Link::~Link() {
  if (lookup_ != nullptr) {
    lookup_->link = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));
  }
  if (socket_ != nullptr) socket_->close();
}

// By the thread pool of libuv; hiredis would have the loop wait for the name server.
void Link::look_up() {
  lookup_ = new Lookup{{}, loop_, this};
  lookup_->request.data = lookup_;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  const int status = uv_getaddrinfo(
      loop_->uv, &lookup_->request,
      [](uv_getaddrinfo_t* request, int result, addrinfo* found) {
        const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
        if (lookup->link != nullptr) {
          lookup->link->lookup_ = nullptr;
          lookup->link->looked_up(result, found);
        }
        uv_freeaddrinfo(found);
      },
      address_.host.c_str(), nullptr, &hints);
  if (status == 0) return;
  delete std::exchange(lookup_, nullptr);
  why_ = uv_strerror(status);
  soon_.start(0);
}

void Link::looked_up(int status, const addrinfo* found) {
  if (status != 0) why_ = uv_strerror(status);
  for (; found != nullptr; found = found->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::find(hosts_.begin(), hosts_.end(), text) == hosts_.end()) hosts_.emplace_back(text);
  }
  connect_next();
}

void Link::connect_next() {
  if (hosts_.empty()) {
    events_.link_broken(std::exchange(why_, {}));
    return;
  }
  const std::string host = hosts_.front();
  hosts_.erase(hosts_.begin());
  connect(host);
}

void Link::connect(const std::string& host) {
  redisAsyncContext* const context = address_.is_unix()
                                         ? redisAsyncConnectUnix(host.c_str())
                                         : redisAsyncConnect(host.c_str(), address_.port);
  absl::Status status;
  if (context == nullptr) {
    status = absl::ResourceExhaustedError("out of memory");
  } else if (context->err != 0) {
    status = absl::UnavailableError(context->errstr);
  } else if (tls_) {
    status = tls_->wrap(&context->c, address_.host);
  }
  if (status.ok()) {
    socket_ = new Socket(this, loop_, context);
    return;
  }
  if (context != nullptr) redisAsyncFree(context);
  why_ = std::string(status.message());
  soon_.start(0);  // not from within the constructor
}

void Link::lost(std::string why) {
  socket_ = nullptr;
  why_ = std::move(why);
  if (tls_ && why_ == std::strerror(0)) why_ = tls_->last_error();
  if (opened_) hosts_.clear();
  connect_next();
}

void Link::send(std::string_view command) {
  if (socket_ == nullptr) return;  // link_broken() is on its way
  redisAsyncFormattedCommand(
      socket_->context,
      [](redisAsyncContext* context, void* reply, void*) {
        auto* socket = static_cast<Socket*>(context->data);
        // Without a reply the context is being freed, of which given_up() tells.
        if (reply == nullptr || socket->link == nullptr) return;
        socket->link->events_.link_replied(*static_cast<const redisReply*>(reply));
      },
      nullptr, command.data(), command.size());
}

void Link::read_now() {
  if (socket_ != nullptr && opened_) redisAsyncHandleRead(socket_->context);
}

}  // namespace quota::redis
