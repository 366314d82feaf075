#pragma once

#include <memory>
#include <vector>

#include "rls/options.h"
#include "rls/request.h"
#include "rls/service.h"
#include "rpc/queue.h"

namespace quota::rls {

class Call;

// What the calls of one queue share. Used by the queue's thread alone.
class Desk {
 public:
  Desk(Service& service, rpc::Queue& queue, const Options& options);
  ~Desk();

  // Before the queue's thread runs: awaits the first calls.
  void open();
  // Has one more call awaited, by an object that has served before if there is one.
  void await_next();
  // Takes a call that has ended.
  void put_back(std::shared_ptr<Call> call);

  Service& service() { return service_; }
  rpc::Queue& queue() { return queue_; }
  const Options& options() const { return options_; }
  RequestReader& reader() { return reader_; }

 private:
  Service& service_;
  rpc::Queue& queue_;
  const Options& options_;
  RequestReader reader_;
  std::vector<std::shared_ptr<Call>> idle_;
};

}  // namespace quota::rls
