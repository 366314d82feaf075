#include "store/consumer_store.h"

#include "absl/strings/str_cat.h"

namespace quota::store {

std::string key_id(const Sha256& key) { return to_hex(key).substr(0, 8); }

absl::Status key_is_taken(const Sha256& key, std::string_view owner) {
  return absl::AlreadyExistsError(absl::StrCat("key ", key_id(key), " belongs to consumer ",
                                               std::string(owner),
                                               " already; revoke it there or make a new one"));
}

}  // namespace quota::store
