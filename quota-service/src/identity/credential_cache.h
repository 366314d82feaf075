#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/siphash.h"
#include "identity/subject.h"

namespace quota::identity {

enum class Credential : uint32_t { kConsumer, kBearer, kApiKey };

// A credential as the cache knows it: by a hash whose secret key never leaves the process, and by
// what else decides whom it stands for. The credential itself is not kept.
struct CredentialKey {
  Hash128 hash;
  Credential kind = Credential::kConsumer;
  uint32_t asserted_tier = 0;  // 1 + index of the tier that the gateway asserts; 0: none

  friend bool operator==(const CredentialKey&, const CredentialKey&) = default;
};

// What was found out about a credential, and the time for which that stands.
struct Finding {
  std::unique_ptr<const Subject> subject;  // null: it stands for nobody
  int64_t from_unix_s = std::numeric_limits<int64_t>::min();
  int64_t until_unix_s = std::numeric_limits<int64_t>::max();  // no longer at this second
};

// Remembers at most `capacity` findings in two generations. What is asked for moves to the young
// one; when that is half of the capacity it becomes the old one, and what nobody has asked for
// since is forgotten as a whole. A flood of strange credentials therefore costs bounded memory, and
// whoever is busy stays.
//
// A subject that was found stays where it is until drop_forgotten() or clear(), however many others
// are found or put in meanwhile, as long as `unix_s` stays the same: a finding that stands is
// replaced by none, and what is forgotten is only put aside.
class CredentialCache {
 public:
  explicit CredentialCache(size_t capacity);

  // Null when there is no finding that stands at `unix_s`. The finding is valid until the next
  // call, its subject for longer.
  const Finding* find(const CredentialKey& key, int64_t unix_s);
  const Finding& insert(const CredentialKey& key, Finding finding);
  void drop_forgotten() {
    if (!forgotten_.empty()) [[unlikely]]
      forgotten_.clear();
  }
  void clear();

  // What is forgotten is not found again and does not count.
  size_t size() const { return young_.size() + old_.size(); }

 private:
  struct TakeHash {
    size_t operator()(const CredentialKey& key) const { return key.hash.low; }
  };
  using Generation = absl::flat_hash_map<CredentialKey, Finding, TakeHash>;

  const size_t generation_size_;
  Generation young_;
  Generation old_;
  std::vector<Generation> forgotten_;
};

}  // namespace quota::identity
