#pragma once

#include <cstdint>
#include <memory>

#include "base/time.h"
#include "identity/check.h"
#include "identity/directory.h"
#include "identity/subject.h"
#include "policy/policy.h"

namespace quota::identity {

struct ResolverLimits {
  size_t cached_credentials = 65'536;  // API keys, tokens and consumers, known or not
};

// A longer API key is unknown without being looked for.
inline constexpr size_t kMaxApiKeyBytes = 4096;

// Subjects of so many checks can be held at once.
inline constexpr size_t kPlaces = 16;

// Says who sends a request. One per thread: it caches what SHA-256, signature checks and look-ups
// have found, in bounded memory, and forgets all of it when the policy or the directory changes.
class Resolver {
 public:
  explicit Resolver(Directory& directory, ResolverLimits limits = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // To be called before a batch. The policy must stay alive until the next call.
  void begin(const policy::Policy& policy, uint64_t policy_generation, Now now);

  // The subject is valid until the next call of begin() or until the same place, or the first one,
  // is used again. With an awaiter it may be kPending: then the awaiter will be told when its
  // look-up has ended, and the check can be resolved. Without one, what is not known at once counts
  // as unknown.
  const Subject& resolve(const Check& check, const std::shared_ptr<Awaiter>& awaiter = nullptr,
                         size_t place = 0);

  size_t cached() const;  // credentials, never more than the limit

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quota::identity
