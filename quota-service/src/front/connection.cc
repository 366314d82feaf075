#include "front/connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <span>
#include <utility>

#include "front/loop.h"

namespace quota::front {

Connection::Connection(Fd socket, Loop& loop)
    : socket_(std::move(socket)), loop_(loop), session_(*this) {}

bool Connection::open() {
  awaited_ = EPOLLIN;
  return loop_.poller().watch(socket_.get(), awaited_, *this);
}

void Connection::ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    write();
  } else {
    read();
  }
}

void Connection::read() {
  const std::span<char> buffer = loop_.buffer();
  const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0 || !session_.receive({buffer.data(), static_cast<size_t>(size)})) return close();
  write();
}

void Connection::write() {
  while (socket_) {
    if (sent_ == unsent_.size()) {
      unsent_.clear();
      sent_ = 0;
      const bool goes_on = session_.collect(unsent_);
      if (unsent_.empty()) return goes_on ? await(EPOLLIN) : close();
    }
    const ssize_t size =
        send(socket_.get(), unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
    if (size >= 0) {
      sent_ += static_cast<size_t>(size);
    } else if (errno == EAGAIN) {
      return await(EPOLLOUT);
    } else if (errno != EINTR) {
      return close();
    }
  }
}

void Connection::await(uint32_t events) {
  if (awaited_ == events) return;
  awaited_ = events;
  loop_.poller().change(socket_.get(), events, *this);
}

bool Connection::on_batch(std::string_view batch, std::string& response, uint64_t& waiting) {
  return loop_.decider().decide_batch(batch, response, shared_from_this(), waiting);
}

void Connection::deliver(const rpc::VerdictFacts& facts, const engine::Decision& decision) {
  bool is_first;
  {
    const std::lock_guard lock(late_mutex_);
    is_first = late_count_ == 0;
    rpc::append_batch_verdict(late_, facts, decision);
    ++late_count_;
  }
  if (is_first) loop_.post(shared_from_this());
}

void Connection::write_late() {
  if (!socket_) return;
  {
    const std::lock_guard lock(late_mutex_);
    session_.respond_late(late_, late_count_);
    late_.clear();
    late_count_ = 0;
  }
  if (awaited_ != EPOLLOUT) write();
}

void Connection::end_soon() {
  session_.end_soon();
  if (awaited_ != EPOLLOUT) write();
}

void Connection::close() {
  if (!socket_) return;
  loop_.poller().forget(socket_.get(), *this);
  socket_ = Fd();
  loop_.closed(shared_from_this());
}

}  // namespace quota::front
