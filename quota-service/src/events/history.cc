#include "events/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/siphash.h"

namespace quota::events {
namespace {

std::string random_name() {
  const SipKey random = random_sip_key();
  return fmt::format("{:016x}", random.k0);
}

}  // namespace

History::History(size_t most) : most_(most), instance_(random_name()) {}

void History::add(std::string line, std::string consumer, bool is_denial) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(line), std::move(consumer), is_denial});
  ++last_;
  if (entries_.size() > most_) entries_.pop_front();
}

bool History::matches(const Entry& entry, const Query& query) {
  if (query.denials_only && !entry.is_denial) return false;
  return !query.one_consumer || std::ranges::count(query.names, entry.consumer) > 0;
}

History::Page History::read(const Query& query) const {
  const std::lock_guard lock(mutex_);
  const uint64_t forgotten = last_ - entries_.size();
  const uint64_t after = std::min(query.after, last_);
  Page page{.lines = {}, .next = last_, .missed = 0};
  if (after < forgotten && !query.newest) page.missed = forgotten - after;
  const uint64_t begin = std::max(after, forgotten);
  if (query.newest) {
    for (uint64_t number = last_; number > begin && page.lines.size() < query.limit; --number) {
      const Entry& entry = entries_[number - forgotten - 1];
      if (matches(entry, query)) page.lines.push_back(entry.line);
    }
    std::ranges::reverse(page.lines);
    return page;
  }
  for (uint64_t number = begin + 1; number <= last_; ++number) {
    const Entry& entry = entries_[number - forgotten - 1];
    if (!matches(entry, query)) continue;
    if (page.lines.size() == query.limit) {
      page.next = number - 1;
      break;
    }
    page.lines.push_back(entry.line);
  }
  return page;
}

}  // namespace quota::events
