#include "events/told.h"

#include <algorithm>

namespace quota::events {

Told::Consumer& Told::remembered(std::string_view consumer) {
  if (Consumer* known = consumers_.find(consumer)) return *known;
  if (consumers_.size() >= most_) consumers_.erase_oldest();
  const std::string name(consumer);
  consumers_.put(name, {});
  return *consumers_.find(name);
}

bool Told::is_news(const Event& event) {
  const bool is_month = event.kind == Kind::kMonth80 || event.kind == Kind::kMonth100;
  if (!is_month && !event.is_denial()) return true;
  Consumer& consumer = remembered(event.get(Event::Field::kConsumer));
  if (is_month) {
    if (consumer.month_end_us != event.month.reset_unix_us) {
      consumer.month_end_us = event.month.reset_unix_us;
      consumer.month_told = Kind::kDecision;
    }
    if (event.kind <= consumer.month_told) return false;
    consumer.month_told = event.kind;
    return true;
  }
  const bool was_quiet = consumer.denied_us == 0 || event.unix_us - consumer.denied_us > quiet_us_;
  if (was_quiet) consumer.is_denial_told = false;
  consumer.denied_us = std::max(consumer.denied_us, event.unix_us);
  if (event.kind != Kind::kFirstDenial) return true;
  if (consumer.is_denial_told) return false;
  consumer.is_denial_told = true;
  return true;
}

}  // namespace quota::events
