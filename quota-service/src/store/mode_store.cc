#include "store/mode_store.h"

namespace quota::store {
namespace {

constexpr std::string_view kPolicyWord = "policy";

}  // namespace

std::string_view mode_word(std::optional<policy::Mode> mode) {
  return mode ? policy::to_string(*mode) : kPolicyWord;
}

bool read_mode_word(std::string_view word, std::optional<policy::Mode>& mode) {
  if (word == kPolicyWord) {
    mode.reset();
    return true;
  }
  const std::optional<policy::Mode> known = policy::mode_from(word);
  if (!known) return false;
  mode = known;
  return true;
}

}  // namespace quota::store
