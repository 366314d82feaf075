#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "store/state_file.h"
#include "usage/usage_store.h"

namespace quota::store {

// Usage in a SQLite file of its own: there is one writer to a file, and a great many entries must
// not keep a month's reservation waiting.
class LocalUsage final : public usage::UsageStore {
 public:
  static absl::StatusOr<std::unique_ptr<LocalUsage>> open(const std::string& path);

  void add(usage::Sums sums, int64_t unix_us, bool is_last) override;
  absl::StatusOr<usage::Page> read(const usage::Query& query) override;
  absl::Status close() override;
  Stats stats() const override;

 private:
  explicit LocalUsage(std::unique_ptr<StateFile> file);

  absl::Status write();
  absl::Status forget(usage::Month before);
  void said(const absl::Status& status);

  usage::Sums pending_;  // the thread's that adds
  std::optional<usage::Month> tidied_in_;
  bool works_ = true;
  std::atomic<uint64_t> written_{0}, failed_{0}, pending_now_{0};

  std::mutex mutex_;  // guards what follows
  const std::unique_ptr<StateFile> file_;
  Statement insert_;
  Statement forget_;
  Statement last_of_months_;
  Statement last_of_days_;
  Statement months_;
  Statement days_;
  Statement next_;
};

}  // namespace quota::store
