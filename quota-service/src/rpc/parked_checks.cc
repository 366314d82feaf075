#include "rpc/parked_checks.h"

#include <cstring>
#include <utility>

namespace quota::rpc {
namespace {

// Does `visit` with every view of a check.
template <typename AnyCheck, typename Visit>
void each_view(AnyCheck& check, Visit visit) {
  visit(check.method);
  visit(check.path);
  visit(check.client_ip);
  visit(check.api_key);
  visit(check.consumer);
  visit(check.tier);
  visit(check.bearer);
  for (auto& attribute : check.attributes) {
    visit(attribute.name);
    visit(attribute.value);
  }
}

}  // namespace

OwnedCheck::OwnedCheck(const identity::Check& check) : check_(check) {
  size_t size = 0;
  each_view(check_, [&](std::string_view view) { size += view.size(); });
  text_ = std::make_unique<char[]>(size);
  char* end = text_.get();
  each_view(check_, [&](std::string_view& view) {
    if (!view.empty()) std::memcpy(end, view.data(), view.size());
    view = {end, view.size()};
    end += view.size();
  });
}

void ParkedChecks::add(uint64_t lookup, ParkedCheck parked) {
  checks_.push_back({lookup, std::move(parked)});
  by_lookup_[lookup].push_back(std::prev(checks_.end()));
}

std::vector<ParkedCheck> ParkedChecks::take(uint64_t lookup) {
  std::vector<ParkedCheck> taken;
  const auto found = by_lookup_.find(lookup);
  if (found == by_lookup_.end()) return taken;
  taken.reserve(found->second.size());
  for (const auto& entry : found->second) {
    taken.push_back(std::move(entry->parked));
    checks_.erase(entry);
  }
  by_lookup_.erase(found);
  return taken;
}

std::vector<ParkedCheck> ParkedChecks::take_expired(int64_t mono_us) {
  std::vector<ParkedCheck> taken;
  while (!checks_.empty() && next_deadline_us() <= mono_us) {
    // The first of all is the first of those that wait for the same.
    const auto group = by_lookup_.find(checks_.front().lookup);
    group->second.pop_front();
    if (group->second.empty()) by_lookup_.erase(group);
    taken.push_back(std::move(checks_.front().parked));
    checks_.pop_front();
  }
  return taken;
}

}  // namespace quota::rpc
