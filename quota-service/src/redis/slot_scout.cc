#include "redis/slot_scout.h"

#include <utility>

#include "redis/greeting.h"

namespace quota::redis {

SlotScout::SlotScout(ContextPtr context, const Address& address, Done done)
    : context_(std::move(context)),
      done_(std::move(done)),
      connection_(std::make_unique<Connection>(context_, address, *this)) {}

void SlotScout::connection_opened() {
  authenticate(*connection_, context_->options, false, [this](const absl::Status& status) {
    if (!status.ok()) {
      return connection_->lose(Failure::kUnavailable, std::string(status.message()));
    }
    connection_->ask({"CLUSTER", "SLOTS"}, [this](const redisReply* reply) {
      if (reply != nullptr) done_(reply, "");
    });
  });
}

void SlotScout::connection_answered(Attempt, const redisReply&) {}

void SlotScout::connection_lost(Failure, const std::string& why, std::deque<InFlight>) {
  done_(nullptr, why);
}

// The connection dies with the scout, which whoever closes it destroys later.
void SlotScout::close() { connection_->cut(); }

}  // namespace quota::redis
