#include "admin/consumers.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "admin/consumer_change.h"
#include "admin/fields.h"
#include "policy/names.h"

namespace quota::admin {
namespace {

using policy::Consumer;

constexpr std::string_view kInPolicy = "policy.yaml";
constexpr std::string_view kInStore = "store";
constexpr size_t kMostListed = 1000;

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

Reply no_consumer() {
  return problem(404, "there is no consumer of that id, neither in the policy nor in the store");
}

}  // namespace

// In the order of ids, `limit` at a time: {"consumers": […], "next": id}. The next page is asked
// for with ?after=<next>; null means that this was the last.
Reply Consumers::list(const Request& request) const {
  size_t limit = kMostListed;
  if (const auto asked = request.query.find("limit"); asked != request.query.end()) {
    const std::string& digits = asked->second;
    if (digits.empty() || digits.size() > 4 ||
        digits.find_first_not_of("0123456789") != std::string::npos || std::stoul(digits) == 0) {
      return problem(400, fmt::format("limit must be a whole number from 1 to {}", kMostListed));
    }
    limit = std::min<size_t>(std::stoul(digits), kMostListed);
  }
  const auto asked = request.query.find("after");
  const std::string after = asked == request.query.end() ? "" : asked->second;

  const auto policy = policy_.get();
  const auto managed = directory_.list();
  std::vector<std::pair<const Consumer*, std::string_view>> all;
  for (const Consumer& consumer : policy->consumers) {
    if (consumer.id > after) all.emplace_back(&consumer, kInPolicy);
  }
  for (const auto& consumer : managed) {
    // The record in the policy hides the other one.
    if (consumer->id > after && policy->find_consumer(consumer->id) == nullptr) {
      all.emplace_back(consumer.get(), kInStore);
    }
  }
  std::ranges::sort(all, {}, [](const auto& entry) { return std::string_view(entry.first->id); });

  Json consumers = Json::array();
  for (size_t i = 0; i < std::min(limit, all.size()); ++i) {
    consumers.push_back(record_json(*all[i].first, all[i].second));
  }
  const Json next = all.size() > limit ? Json(all[limit - 1].first->id) : Json();
  return json_reply({{"consumers", std::move(consumers)}, {"next", next}});
}

Reply Consumers::get(const std::string& id) const {
  const auto policy = policy_.get();
  if (const Consumer* listed = policy->find_consumer(id)) {
    return json_reply(record_json(*listed, kInPolicy));
  }
  const auto managed = directory_.find(id);
  return managed ? json_reply(record_json(*managed, kInStore)) : no_consumer();
}

Reply Consumers::put(const Request& request, const std::string& id) {
  if (!policy::is_consumer_id(id)) {
    return problem(
        400, "the id of a consumer has 1 to 128 ASCII letters, digits and punctuation, no spaces");
  }
  const auto policy = policy_.get();
  const std::lock_guard lock(changing_);
  if (absl::Status taken = refuse_policy_consumer(*policy, id); !taken.ok()) {
    return problem(taken);
  }
  const auto known = directory_.find(id);
  Consumer before;
  before.id = id;
  if (known) before = *known;
  const auto after = change_consumer(std::move(before), request.body, *policy);
  if (!after.ok()) return problem(after.status());
  if (absl::Status taken = refuse_taken_keys(*after, *policy); !taken.ok()) {
    return problem(taken);
  }
  // What is in memory but not in the store would be lost at the next start.
  if (absl::Status saved = store_.put_consumer(*after); !saved.ok()) return problem(saved);
  directory_.put(*after);
  spdlog::info("admin: consumer {} {}", id, known ? "changed" : "added");
  return json_reply(record_json(*after, kInStore), known ? 200 : 201);
}

Reply Consumers::remove(const std::string& id) {
  const auto policy = policy_.get();
  const std::lock_guard lock(changing_);
  if (absl::Status taken = refuse_policy_consumer(*policy, id); !taken.ok()) {
    return problem(taken);
  }
  if (!directory_.find(id)) return no_consumer();
  if (absl::Status removed = store_.remove_consumer(id);
      !removed.ok() && !absl::IsNotFound(removed)) {
    return problem(removed);
  }
  directory_.remove(id);
  spdlog::info("admin: consumer {} removed", id);
  return {.status = 204, .content_type = {}, .body = {}, .headers = {}};
}

absl::Status Consumers::refuse_taken_keys(const Consumer& consumer,
                                          const policy::Policy& policy) const {
  for (const Sha256& key : consumer.api_keys) {
    const auto managed = directory_.find_by_key(key);
    const Consumer* owner = policy.find_consumer_by_key(key);
    if (owner == nullptr && managed && managed->id != consumer.id) owner = managed.get();
    if (owner != nullptr) {
      return absl::AlreadyExistsError(
          fmt::format("key {} belongs to consumer {} already; revoke it there or make a new one",
                      key_id(key), owner->id));
    }
  }
  return absl::OkStatus();
}

}  // namespace quota::admin
