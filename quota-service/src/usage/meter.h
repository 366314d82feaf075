#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/local_counter.h"
#include "base/string_map.h"
#include "engine/decision.h"
#include "identity/subject.h"
#include "policy/policy.h"
#include "usage/usage.h"

namespace quota::usage {

// What one decision adds.
Amount amount_of(engine::Outcome outcome, uint32_t hits, int64_t cost_milli);

// Counts what is used, on the thread that decides. A subject leads to its account, an account to a
// cell per endpoint rule, so that counting is three additions; the cells that have changed are on a
// list, which another thread fetches once in a while. The accounts of one day under one policy are
// one table; when either changes, or there are too many of them, a new table is begun and the old
// one goes with the next fetch.
class Meter {
 public:
  static constexpr size_t kMostAccounts = 100'000;

  explicit Meter(size_t most_accounts = kMostAccounts);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // By the owning thread, around each batch; count() comes in between.
  void begin(const std::shared_ptr<const policy::Policy>& policy, int64_t unix_us);
  void end() { mutex_.unlock(); }
  void count(const identity::Subject& subject, const policy::EndpointRule& endpoint,
             engine::Outcome outcome, uint32_t hits, int64_t cost_milli) {
    identity::Notes& notes = subject.notes;
    if (notes.account_table != table_id_) [[unlikely]]
      find_account(subject);
    if (notes.rule != &endpoint) {
      notes.rule = &endpoint;
      notes.cell = &cell_of(notes.account, endpoint);
    }
    Cell& cell = *static_cast<Cell*>(notes.cell);
    if (cell.fetches != fetches_) {
      cell.fetches = fetches_;
      changed_.push_back(&cell);
    }
    const Amount amount = amount_of(outcome, hits, cost_milli);
    cell.requests.add(amount.requests);
    cell.denials.add(amount.denials);
    cell.cost.add(amount.cost_milli);
  }

  // Decided later, on any thread.
  void count_late(Key key, std::string_view tier, const Amount& amount);

  // On any one thread: all that was counted since the last fetch.
  std::vector<Row> fetch();

 private:
  struct Account;
  struct Table;
  struct alignas(64) Cell {
    LocalCounter requests, denials, cost;
    Amount fetched;  // what fetch() has given out already
    const Account* account = nullptr;
    uint32_t endpoint = 0;
    uint32_t fetches = 0;  // the fetch after which it was last changed
  };
  static_assert(sizeof(Cell) == 64);

  void new_table(std::shared_ptr<const policy::Policy> policy, int32_t day);
  void find_account(const identity::Subject& subject);
  Cell& cell_of(void* account, const policy::EndpointRule& endpoint);

  const size_t most_accounts_;
  // Held by the owner during a batch, and by others for as long as two lists are exchanged.
  std::mutex mutex_;
  std::unique_ptr<Table> table_;
  uint64_t table_id_ = 0;
  uint32_t fetches_ = 1;
  std::vector<Cell*> changed_;
  std::vector<std::unique_ptr<Table>> ended_;
  std::vector<Cell*> fetched_;  // fetch()'s own: memory that is used again

  std::mutex late_mutex_;
  std::map<Key, std::pair<Amount, std::string>> late_;
};

}  // namespace quota::usage
