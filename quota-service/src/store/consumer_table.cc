#include "store/consumer_table.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "store/consumer_store.h"

namespace quota::store {
namespace {

policy::Consumer without_keys(const Row& row) {
  return {.id = row.text(0),
          .tier = row.text(1),
          .overrides = {.minute = row.optional_integer(3), .month = row.optional_integer(4)},
          .billing_day = static_cast<int>(row.integer(2)),
          .api_keys = {}};
}

absl::Status broken_key(const std::string& id) {
  return absl::DataLossError(absl::StrCat("the store holds a broken API key of consumer \"", id,
                                          "\"; delete it from the table api_key"));
}

}  // namespace

ConsumerTable::ConsumerTable(Database& database)
    : database_(database),
      select_(database,
              "SELECT id, tier, billing_day, minute_override, month_override FROM consumer "
              "ORDER BY id"),
      // By rowid: in the order in which they were given.
      select_keys_(database, "SELECT consumer, sha256 FROM api_key ORDER BY rowid"),
      select_one_(database,
                  "SELECT id, tier, billing_day, minute_override, month_override FROM consumer "
                  "WHERE id = ?"),
      select_page_(database,
                   "SELECT id, tier, billing_day, minute_override, month_override FROM consumer "
                   "WHERE id > ? ORDER BY id LIMIT ?"),
      select_keys_of_(database, "SELECT sha256 FROM api_key WHERE consumer = ? ORDER BY rowid"),
      find_owner_(database, "SELECT consumer FROM api_key WHERE sha256 = ?"),
      write_(database,
             "INSERT INTO consumer(id, tier, billing_day, minute_override, month_override) "
             "VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET tier = excluded.tier, "
             "billing_day = excluded.billing_day, minute_override = excluded.minute_override, "
             "month_override = excluded.month_override"),
      delete_(database, "DELETE FROM consumer WHERE id = ?"),
      insert_key_(database, "INSERT OR IGNORE INTO api_key(sha256, consumer) VALUES(?, ?)"),
      delete_keys_(database, "DELETE FROM api_key WHERE consumer = ?") {}

absl::StatusOr<std::vector<policy::Consumer>> ConsumerTable::load() {
  std::vector<policy::Consumer> consumers;
  absl::flat_hash_map<std::string, size_t> index;
  absl::Status status = select_.each([&](const Row& row) {
    index[row.text(0)] = consumers.size();
    consumers.push_back(without_keys(row));
  });
  if (!status.ok()) return status;

  std::string bad;
  status = select_keys_.each([&](const Row& row) {
    const std::string id = row.text(0);
    const std::optional<Sha256> key = sha256_from_hex(row.text(1));
    const auto owner = index.find(id);
    if (!key || owner == index.end()) {
      bad = id;
      return;
    }
    consumers[owner->second].api_keys.push_back(*key);
  });
  if (!status.ok()) return status;
  if (!bad.empty()) return broken_key(bad);
  return consumers;
}

absl::StatusOr<std::optional<policy::Consumer>> ConsumerTable::find(std::string_view id) {
  std::optional<policy::Consumer> found;
  absl::Status status = select_one_.each([&](const Row& row) { found = without_keys(row); }, id);
  if (status.ok() && found) status = add_keys(*found);
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::vector<policy::Consumer>> ConsumerTable::list(std::string_view after,
                                                                  size_t limit) {
  std::vector<policy::Consumer> page;
  absl::Status status =
      select_page_.each([&](const Row& row) { page.push_back(without_keys(row)); }, after,
                        static_cast<int64_t>(limit));
  for (size_t i = 0; status.ok() && i < page.size(); ++i) status = add_keys(page[i]);
  if (!status.ok()) return status;
  return page;
}

absl::Status ConsumerTable::add_keys(policy::Consumer& consumer) {
  bool is_broken = false;
  absl::Status status = select_keys_of_.each(
      [&](const Row& row) {
        const std::optional<Sha256> key = sha256_from_hex(row.text(0));
        if (key) {
          consumer.api_keys.push_back(*key);
        } else {
          is_broken = true;
        }
      },
      consumer.id);
  if (status.ok() && is_broken) return broken_key(consumer.id);
  return status;
}

absl::Status ConsumerTable::put(const policy::Consumer& consumer) {
  absl::Status status = database_.transact_synced([&] { return write(consumer); });
  if (status.ok() || status.code() == absl::StatusCode::kAlreadyExists) return status;
  return {status.code(),
          absl::StrCat("cannot save consumer \"", consumer.id, "\": ", status.message())};
}

absl::Status ConsumerTable::remove(const std::string& id) {
  bool found = false;
  absl::Status status = database_.transact_synced([&] {
    absl::Status deleted = delete_.run(id);
    found = database_.changes() > 0;
    return deleted;
  });
  if (!status.ok()) {
    return {status.code(), absl::StrCat("cannot remove consumer \"", id, "\": ", status.message())};
  }
  if (!found) {
    return absl::NotFoundError(absl::StrCat("the store holds no consumer \"", id, "\""));
  }
  return absl::OkStatus();
}

absl::Status ConsumerTable::write(const policy::Consumer& consumer) {
  absl::Status status = write_.run(consumer.id, consumer.tier, consumer.billing_day,
                                   consumer.overrides.minute, consumer.overrides.month);
  if (status.ok()) status = delete_keys_.run(consumer.id);
  for (size_t i = 0; status.ok() && i < consumer.api_keys.size(); ++i) {
    const std::string key = to_hex(consumer.api_keys[i]);
    std::string owner;
    status = find_owner_.each([&](const Row& row) { owner = row.text(0); }, key);
    if (!status.ok()) break;
    if (!owner.empty() && owner != consumer.id) {
      return key_is_taken(consumer.api_keys[i], owner);
    }
    status = insert_key_.run(key, consumer.id);
  }
  return status;
}

}  // namespace quota::store
