#include "admin/consumers.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "admin/consumer_change.h"
#include "admin/fields.h"
#include "policy/names.h"

namespace quota::admin {
namespace {

using policy::Consumer;

constexpr std::string_view kInPolicy = "policy.yaml";
constexpr std::string_view kInStore = "store";
constexpr int64_t kMostListed = 1000;

Json record_json(const Consumer& consumer, std::string_view source) {
  Json json = consumer_json(consumer);
  json["source"] = source;
  return json;
}

absl::Status refuse_policy_consumer(const policy::Policy& policy, const std::string& id) {
  if (policy.find_consumer(id) == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is defined in {}; change it there", id, policy.source));
}

absl::Status refuse_policy_keys(const policy::Policy& policy, const Consumer& consumer) {
  for (const Sha256& key : consumer.api_keys) {
    const Consumer* owner = policy.find_consumer_by_key(key);
    if (owner != nullptr) return store::key_is_taken(key, owner->id);
  }
  return absl::OkStatus();
}

Reply no_consumer() {
  return problem(404, "there is no consumer of that id, neither in the policy nor in the store");
}

}  // namespace

// In the order of ids, `limit` at a time: {"consumers": […], "next": id}. The next page is asked
// for with ?after=<next>; null means that this was the last.
Reply Consumers::list(const Request& request) const {
  const auto asked_limit = whole_query(request, "limit", 1, kMostListed, kMostListed);
  if (!asked_limit.ok()) return problem(asked_limit.status());
  const auto limit = static_cast<size_t>(*asked_limit);
  const auto asked = request.query.find("after");
  const std::string after = asked == request.query.end() ? "" : asked->second;

  const auto policy = policy_.get();
  const auto managed = visible(*policy, after, limit + 1);
  if (!managed.ok()) return problem(managed.status());
  std::vector<std::pair<const Consumer*, std::string_view>> all;
  for (const Consumer& consumer : policy->consumers) {
    if (consumer.id > after) all.emplace_back(&consumer, kInPolicy);
  }
  for (const Consumer& consumer : *managed) all.emplace_back(&consumer, kInStore);
  std::ranges::sort(all, {}, [](const auto& entry) { return std::string_view(entry.first->id); });

  Json consumers = Json::array();
  for (size_t i = 0; i < std::min(limit, all.size()); ++i) {
    consumers.push_back(record_json(*all[i].first, all[i].second));
  }
  const Json next = all.size() > limit ? Json(all[limit - 1].first->id) : Json();
  return json_reply({{"consumers", std::move(consumers)}, {"next", next}});
}

absl::StatusOr<std::vector<Consumer>> Consumers::visible(const policy::Policy& policy,
                                                         std::string after, size_t count) const {
  std::vector<Consumer> found;
  for (;;) {
    auto page = store_.list_consumers(after, count);
    if (!page.ok()) return page.status();
    const bool is_last = page->size() < count;
    if (!page->empty()) after = page->back().id;
    for (Consumer& consumer : *page) {
      if (policy.find_consumer(consumer.id) == nullptr) found.push_back(std::move(consumer));
    }
    if (is_last || found.size() >= count) return found;
  }
}

Reply Consumers::get(const std::string& id) const {
  if (!policy::is_consumer_id(id)) return no_consumer();
  const auto policy = policy_.get();
  if (const Consumer* listed = policy->find_consumer(id)) {
    return json_reply(record_json(*listed, kInPolicy));
  }
  const auto managed = store_.find_consumer(id);
  if (!managed.ok()) return problem(managed.status());
  return *managed ? json_reply(record_json(**managed, kInStore)) : no_consumer();
}

Reply Consumers::put(const Request& request, const std::string& id) {
  if (!policy::is_consumer_id(id)) {
    return problem(
        400, "the id of a consumer has 1 to 128 ASCII letters, digits and punctuation, no spaces");
  }
  const auto policy = policy_.get();
  if (absl::Status taken = refuse_policy_consumer(*policy, id); !taken.ok()) {
    return problem(taken);
  }
  bool was_there = false;
  const auto change = [&](std::optional<Consumer> before) -> absl::StatusOr<Consumer> {
    was_there = before.has_value();
    Consumer fresh;
    fresh.id = id;
    auto after =
        change_consumer(std::move(before).value_or(std::move(fresh)), request.body, *policy);
    if (!after.ok()) return after;
    if (absl::Status taken = refuse_policy_keys(*policy, *after); !taken.ok()) return taken;
    return after;
  };
  const std::lock_guard lock(changing_);
  // What is in memory but not in the store would be lost at the next start.
  const auto after = store_.change_consumer(id, change);
  if (!after.ok()) return problem(after.status());
  directory_.changed(*after);
  spdlog::info("admin: consumer {} {}", id, was_there ? "changed" : "added");
  return json_reply(record_json(*after, kInStore), was_there ? 200 : 201);
}

Reply Consumers::remove(const std::string& id) {
  if (!policy::is_consumer_id(id)) return no_consumer();
  if (absl::Status taken = refuse_policy_consumer(*policy_.get(), id); !taken.ok()) {
    return problem(taken);
  }
  const std::lock_guard lock(changing_);
  const absl::Status removed = store_.remove_consumer(id);
  if (!removed.ok() && !absl::IsNotFound(removed)) return problem(removed);
  directory_.removed(id);
  if (!removed.ok()) return no_consumer();
  spdlog::info("admin: consumer {} removed", id);
  return {.status = 204, .content_type = {}, .body = {}, .headers = {}};
}

}  // namespace quota::admin
