#pragma once

#include <mutex>
#include <string>

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
  absl::Status refuse_taken_keys(const policy::Consumer& consumer,
                                 const policy::Policy& policy) const;

  const policy::LivePolicy& policy_;
  identity::Directory& directory_;
  store::ConsumerStore& store_;
  std::mutex changing_;  // one reads, changes and writes at a time
};

}  // namespace quota::admin
