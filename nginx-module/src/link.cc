#include "link.h"

#include <exception>
#include <string>

namespace quota {

void Link::open(const ngx_addr_t& address) noexcept {
  if (connection_ != nullptr) return;

  // nginx would write a line for every refused attempt; the owner says the same, less often.
  log_ = *ngx_cycle->log;
  log_.log_level = NGX_LOG_ALERT;

  ngx_str_t name = address.name;
  ngx_peer_connection_t peer{};
  peer.sockaddr = address.sockaddr;
  peer.socklen = address.socklen;
  peer.name = &name;
  peer.get = ngx_event_get_peer;
  peer.log = &log_;
  peer.log_error = NGX_ERROR_ERR;

  ngx_set_errno(0);
  const ngx_int_t rc = ngx_event_connect_peer(&peer);
  if (rc != NGX_OK && rc != NGX_AGAIN) {
    const ngx_err_t error = ngx_socket_errno;
    if (peer.connection != nullptr) ngx_close_connection(peer.connection);
    owner_->on_lost("cannot be reached", error);
    return;
  }

  connection_ = peer.connection;
  connection_->data = this;
  connection_->idle = 1;
  connection_->read->handler = [](ngx_event_t* event) {
    static_cast<Link*>(static_cast<ngx_connection_t*>(event->data)->data)->read();
  };
  connection_->write->handler = [](ngx_event_t* event) {
    static_cast<Link*>(static_cast<ngx_connection_t*>(event->data)->data)->write();
  };
  connecting_ = rc == NGX_AGAIN;
  if (!connecting_) become_connected();
}

void Link::close() noexcept {
  if (connection_ == nullptr) return;
  ngx_close_connection(connection_);
  connection_ = nullptr;
  connecting_ = false;
  stream_.reset();
  unsent_.clear();
  sent_ = 0;
}

void Link::become_connected() noexcept {
  try {
    stream_.emplace(static_cast<GrpcStream::Listener*>(this));
  } catch (const std::exception&) {
    lose("cannot be talked to: out of memory", 0);
    return;
  }
  owner_->on_connected();
}

void Link::finish_connecting() noexcept {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(connection_->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1) {
    error = ngx_socket_errno;
  }
  if (error != 0) {
    lose("cannot be reached", error);
    return;
  }
  connecting_ = false;
  // Batches are written whole, each with one call: nothing is gained by holding them back.
  if (connection_->tcp_nodelay != NGX_TCP_NODELAY_DISABLED) ngx_tcp_nodelay(connection_);
  become_connected();
}

void Link::send() noexcept {
  stream_->send();
  flush();
}

// Everything HTTP/2 has to say goes into one buffer and out with one call.
void Link::flush() noexcept {
  try {
    while (connection_ != nullptr) {
      if (sent_ == unsent_.size()) {
        unsent_.clear();
        sent_ = 0;
        if (!stream_->collect(&unsent_)) return lose(stream_->error(), 0);
        if (unsent_.empty()) break;
      }
      const ssize_t size = connection_->send(
          connection_, reinterpret_cast<u_char*>(unsent_.data()) + sent_, unsent_.size() - sent_);
      if (size == NGX_AGAIN) break;
      if (size == NGX_ERROR) return lose("does not take what is sent to it", ngx_socket_errno);
      sent_ += static_cast<size_t>(size);
    }
    if (connection_ != nullptr && ngx_handle_write_event(connection_->write, 0) != NGX_OK) {
      lose("cannot be watched for room to write", 0);
    }
  } catch (const std::exception&) {
    lose("cannot be talked to: out of memory", 0);
  }
}

void Link::read() noexcept {
  if (connection_->close) {  // the worker quits, and if the link is not idle it is in a hurry
    if (connection_->idle) {
      close();
    } else {
      lose("is left behind: the worker ends", 0);
    }
    return;
  }
  if (connecting_) {
    finish_connecting();
    if (!connected()) return;
  }
  do {
    const ssize_t size = connection_->recv(connection_, buffer_.data(), buffer_.size());
    if (size == NGX_AGAIN) break;
    if (size == NGX_ERROR) return lose("broke the connection", ngx_socket_errno);
    if (size == 0) return lose("closed the connection", 0);
    if (!stream_->receive({buffer_.data(), static_cast<size_t>(size)})) {
      return lose(stream_->error(), 0);
    }
  } while (connection_->read->ready);

  if (ngx_handle_read_event(connection_->read, 0) != NGX_OK) {
    return lose("cannot be watched for answers", 0);
  }
  flush();
}

void Link::write() noexcept {
  if (connecting_) {
    finish_connecting();
    return;
  }
  flush();
}

void Link::lose(const char* why, ngx_err_t error) noexcept {
  if (connection_ == nullptr) return;
  // `why` may live in the stream that close() destroys.
  u_char text[160];
  ngx_cpystrn(text, reinterpret_cast<u_char*>(const_cast<char*>(why)), sizeof(text));
  close();
  owner_->on_lost(reinterpret_cast<const char*>(text), error);
}

}  // namespace quota
