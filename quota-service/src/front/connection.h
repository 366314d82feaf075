#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "front/poller.h"
#include "front/session.h"
#include "rpc/decider.h"

namespace quota::front {

class Loop;

// A gateway's connection: reads batches, has them decided, writes the answers. Nothing more is read
// while an answer cannot be written, so a gateway that does not read cannot make this side hoard.
class Connection final : public Source,
                         public rpc::LateVerdicts,
                         private Session::Listener,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(Fd socket, Loop& loop);

  // All of these on the loop's thread. False: it could not be opened.
  [[nodiscard]] bool open();
  void ready(uint32_t events) override;
  void write_late();
  void end_soon();
  void close();

  // From any thread.
  void deliver(const rpc::VerdictFacts& facts, const engine::Decision& decision) override;

 private:
  bool on_batch(std::string_view batch, std::string& response, uint64_t& waiting) override;
  void read();
  void write();
  void await(uint32_t events);

  Fd socket_;
  Loop& loop_;
  Session session_;
  uint32_t awaited_ = 0;
  std::string unsent_;
  size_t sent_ = 0;  // of unsent_

  std::mutex late_mutex_;
  std::string late_;  // a DecideResponse
  uint64_t late_count_ = 0;
};

}  // namespace quota::front
