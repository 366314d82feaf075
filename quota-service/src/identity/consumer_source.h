#pragma once

#include <string>
#include <variant>

#include "absl/hash/hash.h"
#include "base/sha256.h"
#include "base/string_map.h"

namespace quota::identity {

// Who has this API key, or: what is recorded of this id?
using Question = std::variant<Sha256, std::string>;

struct QuestionHash {
  size_t operator()(const Question& question) const {
    if (const auto* key = std::get_if<Sha256>(&question)) return absl::HashOf(*key);
    return StringHash()(std::get<std::string>(question));
  }
};

// Where a partial directory has its consumers looked up.
class ConsumerSource {
 public:
  virtual ~ConsumerSource() = default;
  // Called on the decision path, with the directory's lock held: it neither blocks nor calls back.
  // Each question is answered once, on another thread: by PartialDirectory::answered() or
  // unanswered().
  virtual void look_up(const Question& question) = 0;
};

}  // namespace quota::identity
