#include "store/local_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/bucket_table.h"
#include "store/consumer_table.h"
#include "store/mode_table.h"
#include "store/recorder.h"
#include "store/state_file.h"

namespace quota::store {
namespace {

// What one transaction holds at most. Somebody waits for a reserve: the first of a great many gets
// its grant before the last has been looked at. Nobody waits for a settle, and a stop has one for
// every subject: the more of them go together, the less often a page is written.
constexpr size_t kReservesAtOnce = 1024;
constexpr size_t kRequestsAtOnce = 65'536;

// Everything that touches the file, on the store's thread only.
struct Contents {
  Contents(std::unique_ptr<StateFile> opened, int64_t retry_us)
      : file(std::move(opened)),
        recorder(*file, retry_us),
        buckets(file->database()),
        consumers(file->database()),
        mode(file->database()) {}

  std::unique_ptr<StateFile> file;
  Recorder recorder;
  BucketTable buckets;
  ConsumerTable consumers;
  ModeTable mode;
};

// Something that a caller waits for, to be done when `position` requests of its batch are done.
struct Call {
  size_t position = 0;
  std::function<void(Contents&)> work;
};

struct Batch {
  std::vector<Request> requests;
  std::vector<Call> calls;

  bool empty() const { return requests.empty() && calls.empty(); }
  // Keeps the memory for the next batch, but not that of a rare burst.
  void clear() {
    if (requests.capacity() > 4 * kReservesAtOnce) requests = {};
    requests.clear();
    calls.clear();
  }
};

std::span<const Request> first_transaction(std::span<const Request> requests) {
  size_t size = 0;
  for (size_t reserves = 0; size < std::min(requests.size(), kRequestsAtOnce); ++size) {
    if (!std::holds_alternative<engine::Reserve>(requests[size])) continue;
    if (++reserves > kReservesAtOnce) break;
  }
  return requests.first(size);
}

absl::Status closed() { return absl::FailedPreconditionError("the store is closed"); }

}  // namespace

class LocalStore::Impl {
 public:
  Impl(std::unique_ptr<StateFile> file, LocalStoreOptions options)
      : options_(std::move(options)),
        contents_(std::make_unique<Contents>(std::move(file), options_.retry_us)),
        thread_([this] { run(); }) {}
  ~Impl() { stop(Ending::kAtOnce); }

  void start(engine::GrantSink* sink) {
    const std::lock_guard lock(mutex_);
    sink_ = sink;
  }

  void push(Request request) {
    const std::lock_guard lock(mutex_);
    if (ending_ != Ending::kNot) return;
    if (queue_.empty()) wake_.notify_one();
    queue_.requests.push_back(std::move(request));
  }

  // Does `work` on the store's thread, after everything queued before it, and returns what it
  // returns: a Status or a StatusOr.
  template <typename Result>
  Result ask(std::function<Result(Contents&)> work) {
    // Shared, because the thread may still be inside the task when its result has been taken.
    const auto task = std::make_shared<std::packaged_task<Result(Contents&)>>(std::move(work));
    std::future<Result> result = task->get_future();
    {
      const std::lock_guard lock(mutex_);
      if (ending_ != Ending::kNot) return closed();
      queue_.calls.push_back({queue_.requests.size(), [task](Contents& to) { (*task)(to); }});
      wake_.notify_one();
    }
    return result.get();
  }

  absl::Status close(const std::vector<engine::SavedBucket>& buckets) {
    absl::Status status = ask<absl::Status>([&](Contents& contents) {
      absl::Status months = contents.recorder.flush(options_.clock());
      // Even then: levels do not depend on marks, and each may fit where the other does not.
      absl::Status levels = contents.buckets.replace(buckets);
      return months.ok() ? levels : months;
    });
    stop(Ending::kWhenDone);
    if (status.ok() || absl::IsFailedPrecondition(status)) return status;
    return {status.code(),
            absl::StrCat("the store could not be saved at the stop: ", status.message(),
                         "; subjects may lose what was reserved for them and not "
                         "spent, and their minutes start anew")};
  }

  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }

  Stats stats() const {
    const std::lock_guard lock(mutex_);
    Stats stats = stats_;
    stats.queue += queue_.requests.size();
    return stats;
  }

 private:
  enum class Ending { kNot, kWhenDone, kAtOnce };

  void stop(Ending ending) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_ == Ending::kNot) ending_ = ending;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
    contents_.reset();
  }

  void run() {
    Batch batch;
    while (take(batch)) {
      size_t done = 0;
      for (const Call& call : batch.calls) {
        carry_out({batch.requests.data() + done, call.position - done});
        done = call.position;
        call.work(*contents_);
      }
      carry_out({batch.requests.data() + done, batch.requests.size() - done});
      batch.clear();
    }
  }

  // Waits for work and swaps it out of the queue, doing chores meanwhile. False when it is time to
  // end.
  bool take(Batch& batch) {
    for (;;) {
      const int64_t rest_us = contents_->recorder.tend(options_.clock());
      publish(0);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::microseconds(rest_us),
                     [&] { return !queue_.empty() || ending_ != Ending::kNot; });
      if (ending_ == Ending::kAtOnce) return false;
      if (!queue_.empty()) {
        std::swap(batch, queue_);
        return true;
      }
      if (ending_ == Ending::kWhenDone) return false;
    }
  }

  void carry_out(std::span<const Request> requests) {
    while (!requests.empty()) {
      const std::span<const Request> part = first_transaction(requests);
      requests = requests.subspan(part.size());
      const Now begin = options_.clock();
      const std::vector<engine::Grant> grants = contents_->recorder.carry_out(part, begin);
      const Now end = options_.clock();
      engine::GrantSink* sink = publish(end.mono_us - begin.mono_us);
      if (sink != nullptr && !grants.empty()) sink->on_grants(grants, end);
    }
  }

  // Shows other threads how things are, before anybody is told what came of a batch.
  engine::GrantSink* publish(int64_t busy_us) {
    const Recorder& recorder = contents_->recorder;
    const Recorder::Stats& stats = recorder.stats();
    healthy_.store(recorder.healthy(), std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    stats_ = {.batches = stats.batches,
              .requests = stats.reserves + stats.settles,
              .refused = stats.refused,
              .failures = stats.failures,
              .busy_us = stats_.busy_us + static_cast<uint64_t>(busy_us),
              .queue = stats.unwritten,
              .up = recorder.healthy()};
    return sink_;
  }

  const LocalStoreOptions options_;
  std::unique_ptr<Contents> contents_;
  std::atomic<bool> healthy_{true};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Batch queue_;
  engine::GrantSink* sink_ = nullptr;
  Ending ending_ = Ending::kNot;
  Stats stats_;

  std::thread thread_;  // last: it uses all of the above
};

absl::StatusOr<std::unique_ptr<LocalStore>> LocalStore::open(const std::string& path,
                                                             LocalStoreOptions options) {
  absl::StatusOr<std::unique_ptr<StateFile>> file = StateFile::open(path);
  if (!file.ok()) return file.status();
  return std::unique_ptr<LocalStore>(
      new LocalStore(std::make_unique<Impl>(*std::move(file), std::move(options))));
}

LocalStore::LocalStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalStore::~LocalStore() = default;

void LocalStore::start(engine::GrantSink* sink) { impl_->start(sink); }

void LocalStore::reserve(engine::Reserve request) { impl_->push(std::move(request)); }

void LocalStore::settle(engine::MonthKey month, int64_t used) {
  impl_->push(Settle{std::move(month), used});
}

void LocalStore::spend(engine::MonthKey month, int64_t amount) {
  impl_->push(Spend{std::move(month), amount});
}

bool LocalStore::healthy() const { return impl_->healthy(); }

absl::StatusOr<std::vector<policy::Consumer>> LocalStore::load_consumers() {
  using Result = absl::StatusOr<std::vector<policy::Consumer>>;
  return impl_->ask<Result>([](Contents& contents) { return contents.consumers.load(); });
}

absl::StatusOr<std::optional<policy::Consumer>> LocalStore::find_consumer(std::string_view id) {
  using Result = absl::StatusOr<std::optional<policy::Consumer>>;
  return impl_->ask<Result>([&](Contents& contents) { return contents.consumers.find(id); });
}

absl::StatusOr<std::vector<policy::Consumer>> LocalStore::list_consumers(std::string_view after,
                                                                         size_t limit) {
  using Result = absl::StatusOr<std::vector<policy::Consumer>>;
  return impl_->ask<Result>(
      [&](Contents& contents) { return contents.consumers.list(after, limit); });
}

absl::StatusOr<policy::Consumer> LocalStore::change_consumer(std::string_view id,
                                                             const Change& change) {
  using Result = absl::StatusOr<policy::Consumer>;
  return impl_->ask<Result>([&](Contents& contents) -> Result {
    auto before = contents.consumers.find(id);
    if (!before.ok()) return before.status();
    Result after = change(*std::move(before));
    if (!after.ok()) return after;
    if (absl::Status saved = contents.consumers.put(*after); !saved.ok()) return saved;
    return after;
  });
}

absl::Status LocalStore::put_consumer(const policy::Consumer& consumer) {
  return impl_->ask<absl::Status>(
      [&](Contents& contents) { return contents.consumers.put(consumer); });
}

absl::Status LocalStore::remove_consumer(std::string_view id) {
  return impl_->ask<absl::Status>(
      [&](Contents& contents) { return contents.consumers.remove(std::string(id)); });
}

absl::StatusOr<ModeRecord> LocalStore::put_mode(std::optional<policy::Mode> mode, int64_t unix_ms) {
  const ModeRecord record{mode, unix_ms};
  const std::lock_guard lock(mode_mutex_);
  absl::Status saved =
      impl_->ask<absl::Status>([&](Contents& contents) { return contents.mode.put(record); });
  if (!saved.ok()) return saved;
  if (heard_) heard_(record);
  return record;
}

absl::Status LocalStore::watch_mode(Heard heard) {
  const std::lock_guard lock(mode_mutex_);
  heard_ = std::move(heard);
  if (!heard_) return absl::OkStatus();
  const auto record = impl_->ask<absl::StatusOr<ModeRecord>>(
      [](Contents& contents) { return contents.mode.get(); });
  if (!record.ok()) return record.status();
  if (record->since_unix_ms > 0) heard_(*record);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> LocalStore::month_mark(const engine::MonthKey& month) {
  return impl_->ask<absl::StatusOr<int64_t>>(
      [&](Contents& contents) { return contents.recorder.mark(month); });
}

absl::StatusOr<std::vector<engine::SavedBucket>> LocalStore::take_buckets() {
  using Result = absl::StatusOr<std::vector<engine::SavedBucket>>;
  return impl_->ask<Result>([](Contents& contents) { return contents.buckets.take(); });
}

absl::Status LocalStore::close(const std::vector<engine::SavedBucket>& buckets) {
  return impl_->close(buckets);
}

LocalStore::Stats LocalStore::stats() const { return impl_->stats(); }

}  // namespace quota::store
