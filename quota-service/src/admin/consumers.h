#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "admin/http.h"
#include "identity/directory.h"
#include "policy/live_policy.h"
#include "store/consumer_store.h"

namespace quota::admin {

// /v1/consumers: those of policy.yaml to be read, those of the store to be changed as well.
class Consumers {
 public:
  Consumers(const policy::LivePolicy& policy, identity::Directory& directory,
            store::ConsumerStore& store)
      : policy_(policy), directory_(directory), store_(store) {}

  Reply list(const Request& request) const;
  Reply get(const std::string& id) const;
  Reply put(const Request& request, const std::string& id);
  Reply remove(const std::string& id);

 private:
  // At least `count` of those that the policy does not hide, if there are so many, from the store.
  absl::StatusOr<std::vector<policy::Consumer>> visible(const policy::Policy& policy,
                                                        std::string after, size_t count) const;

  const policy::LivePolicy& policy_;
  identity::Directory& directory_;
  store::ConsumerStore& store_;
  std::mutex changing_;  // so that the directory hears of changes in the order of the store
};

}  // namespace quota::admin
