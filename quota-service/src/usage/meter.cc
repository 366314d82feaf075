#include "usage/meter.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "policy/names.h"
#include "usage/month.h"

namespace quota::usage {
namespace {

// Places for cells in one table: a policy may have a thousand rules.
constexpr size_t kMostPlaces = 4'000'000;

}  // namespace

struct Meter::Account {
  std::string consumer;
  std::atomic<const policy::Tier*> tier{nullptr};  // of the policy, the newest; null: "anonymous"
  const Table* table = nullptr;
  std::unique_ptr<Cell*[]> cells;  // by endpoint rule, made when first needed
};

struct Meter::Table {
  std::shared_ptr<const policy::Policy> policy;
  int32_t day = 0;
  StringMap<Account*> by_consumer;
  std::deque<Account> accounts;
  std::deque<Cell> cells;
  size_t most_accounts = 0;

  size_t endpoints() const { return policy->endpoints.rules().size() + 1; }
  const policy::EndpointRule& endpoint(uint32_t at) const {
    const auto& rules = policy->endpoints.rules();
    return at < rules.size() ? rules[at] : policy->endpoints.fallback();
  }
};

Amount amount_of(engine::Outcome outcome, uint32_t hits, int64_t cost_milli) {
  const bool is_denied =
      outcome == engine::Outcome::kDenied || outcome == engine::Outcome::kUnauthenticated;
  return {.requests = hits,
          .denials = is_denied ? hits : 0,
          .cost_milli = is_denied ? 0 : static_cast<uint64_t>(cost_milli)};
}

Meter::Meter(size_t most_accounts) : most_accounts_(most_accounts) {}
Meter::~Meter() = default;

void Meter::begin(const std::shared_ptr<const policy::Policy>& policy, int64_t unix_us) {
  const int32_t day = day_at(unix_us);
  mutex_.lock();
  if (table_ == nullptr || table_->day != day || table_->policy != policy ||
      table_->accounts.size() >= table_->most_accounts) [[unlikely]] {
    new_table(policy, day);
  }
}

void Meter::new_table(std::shared_ptr<const policy::Policy> policy, int32_t day) {
  if (table_ != nullptr) ended_.push_back(std::move(table_));
  table_ = std::make_unique<Table>();
  table_->policy = std::move(policy);
  table_->day = day;
  table_->most_accounts = std::min(most_accounts_, kMostPlaces / table_->endpoints());
  ++table_id_;
}

void Meter::find_account(const identity::Subject& subject) {
  Account*& account = table_->by_consumer[subject.consumer];
  if (account == nullptr) {
    account = &table_->accounts.emplace_back();
    account->consumer = subject.consumer;
    account->table = table_.get();
    account->cells = std::make_unique<Cell*[]>(table_->endpoints());
  }
  account->tier.store(subject.tier_entry, std::memory_order_relaxed);
  subject.notes.account = account;
  subject.notes.account_table = table_id_;
  subject.notes.rule = nullptr;
}

Meter::Cell& Meter::cell_of(void* subjects_account, const policy::EndpointRule& endpoint) {
  Account& account = *static_cast<Account*>(subjects_account);
  Cell*& cell = account.cells[endpoint.index];
  if (cell == nullptr) [[unlikely]] {
    cell = &table_->cells.emplace_back();
    cell->account = &account;
    cell->endpoint = endpoint.index;
  }
  return *cell;
}

void Meter::count_late(Key key, std::string_view tier, const Amount& amount) {
  const std::lock_guard lock(late_mutex_);
  auto& [sum, newest_tier] = late_[std::move(key)];
  sum += amount;
  newest_tier = tier;
}

std::vector<Row> Meter::fetch() {
  std::vector<std::unique_ptr<Table>> ended;
  fetched_.clear();
  {
    const std::lock_guard lock(mutex_);
    fetched_.swap(changed_);
    ended.swap(ended_);
    ++fetches_;
  }
  // The owner may be counting in these very cells: what it adds from now on comes next time.
  std::vector<Row> rows;
  rows.reserve(fetched_.size());
  for (Cell* cell : fetched_) {
    const Account& account = *cell->account;
    const policy::Tier* const tier = account.tier.load(std::memory_order_relaxed);
    const Amount now{.requests = cell->requests.value(),
                     .denials = cell->denials.value(),
                     .cost_milli = cell->cost.value()};
    rows.push_back({.key = {.consumer = account.consumer,
                            .endpoint = account.table->endpoint(cell->endpoint).name,
                            .day = account.table->day},
                    .amount = {.requests = now.requests - cell->fetched.requests,
                               .denials = now.denials - cell->fetched.denials,
                               .cost_milli = now.cost_milli - cell->fetched.cost_milli},
                    .tier = tier ? tier->name : std::string(policy::kAnonymousTier)});
    cell->fetched = now;
  }
  std::map<Key, std::pair<Amount, std::string>> late;
  {
    const std::lock_guard lock(late_mutex_);
    late.swap(late_);
  }
  for (auto& [key, sum] : late) {
    rows.push_back({.key = key, .amount = sum.first, .tier = std::move(sum.second)});
  }
  return rows;
}

}  // namespace quota::usage
