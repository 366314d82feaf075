#include "batches.h"

#include <utility>

namespace quota {

void Batches::append(const Check& check) {
  if (open_checks_ == kMaxChecks || open_.size() >= kMaxBytes) {
    full_.push_back(std::move(open_));
    start_batch();
    open_checks_ = 0;
  }
  append_check(check, &open_);
  ++open_checks_;
}

void Batches::take(std::string* message) {
  if (full_.empty()) {
    message->swap(open_);
    start_batch();
    open_checks_ = 0;
  } else {
    *message = std::move(full_.front());
    full_.pop_front();
  }
  write_message_prefix(message->data(), message->size());
}

void Batches::clear() {
  full_.clear();
  start_batch();
  open_checks_ = 0;
}

}  // namespace quota
