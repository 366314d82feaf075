#pragma once

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/string_map.h"
#include "identity/consumer_source.h"
#include "identity/directory.h"
#include "identity/lru.h"

namespace quota::identity {

struct PartialDirectoryLimits {
  size_t most_known = 196'608;   // ids and keys of consumers that exist
  size_t most_absent = 65'536;   // ids and keys of nobody; apart, so that no flood of them pushes
                                 // a consumer out
  size_t most_in_flight = 1024;  // look-ups; beyond them nothing is asked
  int64_t known_us = 60'000'000;
  int64_t absent_us = 10'000'000;
  // An answer that is older goes on being used while it is looked up again: that of a consumer for
  // so long, that of nobody for another absent_us.
  int64_t stale_us = 3'600'000'000;
  int64_t retry_us = 250'000;  // after a look-up that failed
};

// Managed consumers that live elsewhere: looked up on first sight, remembered for a while, in
// bounded memory. It reads no clock.
class PartialDirectory final : public Directory {
 public:
  explicit PartialDirectory(PartialDirectoryLimits limits = {}) : limits_(limits) {}

  // From whom answers come, or null for nobody any more. Look-ups under way must still be answered.
  void use(ConsumerSource* source);

  Answer look_up(std::string_view id, int64_t mono_us,
                 const std::shared_ptr<Awaiter>& awaiter) override;
  Answer look_up_by_key(const Sha256& key, int64_t mono_us,
                        const std::shared_ptr<Awaiter>& awaiter) override;

  // The source's answers. No consumer: nobody has that key or id.
  void answered(const Question& question, std::optional<policy::Consumer> consumer,
                int64_t mono_us);
  void unanswered(const Question& question, int64_t mono_us);

  // Something has changed about this consumer and these keys: what is known of them is forgotten,
  // and what is being looked up is looked up again. Without keys it could be any key.
  void forget(std::string_view id, std::span<const Sha256> keys);
  // Changes may have been missed: everything is looked up again when it is next asked for.
  void refresh_all(int64_t mono_us);

  // Forgotten rather than replaced: somebody else may have made another change since.
  void changed(const policy::Consumer& consumer) override;
  void removed(std::string_view id) override { forget(id, {}); }

  struct Stats {
    size_t known = 0;  // ids and keys
    size_t absent = 0;
    size_t in_flight = 0;
    uint64_t lookups = 0;
    uint64_t unasked = 0;  // because too many were in flight
    uint64_t unanswered = 0;
  };
  Stats stats() const;

 private:
  struct Known {
    ConsumerPtr consumer;
    int64_t asked_us = 0;
    int64_t retry_us = 0;  // not looked up again before
  };
  struct Absent {
    int64_t asked_us = 0;
    bool failed = false;  // nobody could say; asked_us is when that turned out
  };
  struct Lookup {
    uint64_t number = 0;
    int64_t asked_us = 0;
    bool again = false;  // something changed meanwhile
    std::vector<std::shared_ptr<Awaiter>> awaiters = {};
  };
  using InFlight = absl::flat_hash_map<Question, Lookup, QuestionHash>;

  // All under mutex_.
  std::optional<Answer> believe(Known& known, int64_t mono_us);
  Answer absent_or_ask(const Question& question, int64_t mono_us,
                       const std::shared_ptr<Awaiter>& awaiter);
  Lookup* ask(const Question& question, int64_t mono_us);
  bool ask_again(const Question& question, Lookup& lookup, int64_t mono_us);
  bool is_usable(const Known& known, int64_t mono_us) const;
  // These say whether something that was answered before is no longer so.
  bool keep(policy::Consumer consumer, int64_t asked_us);
  bool keep_absent(const Question& question, Absent absent);
  bool drop(std::string_view id);
  bool drop_key(const Sha256& key);
  bool drop_absent(const Question& question);

  const PartialDirectoryLimits limits_;
  mutable std::mutex mutex_;
  ConsumerSource* source_ = nullptr;
  Lru<std::string, Known, StringHash> known_;
  absl::flat_hash_map<Sha256, ConsumerPtr> by_key_;  // each of a consumer in known_
  Lru<Question, Absent, QuestionHash> absent_;
  InFlight in_flight_;
  int64_t refresh_us_ = std::numeric_limits<int64_t>::min();  // what was asked until then is stale
  Stats stats_;
};

}  // namespace quota::identity
