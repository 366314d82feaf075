#include "store/local_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "store/faulty_disk.h"
#include "store/sqlite.h"
#include "store/test_support.h"

// Tried, and caught by these tests: telling of a failure after the grant, no flush at the stop,
// buckets that stay in the file, consumers that do not wait for the disk, a key with two owners,
// keys that survive their consumer.
namespace quota::store {
namespace {

using engine::Grant;
using engine::MonthKey;
using engine::SavedBucket;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const MonthKey kMonth{"c:acme", 20'000};
constexpr size_t kSubjects = 100'000;
const std::string kAddress("a:\xc0\x00\x02\x01", 6);

auto is_bucket(const SavedBucket& bucket) {
  return AllOf(Field(&SavedBucket::subject, bucket.subject),
               Field(&SavedBucket::anonymous, bucket.anonymous),
               Field(&SavedBucket::limit, bucket.limit), Field(&SavedBucket::level, bucket.level),
               Field(&SavedBucket::unix_us, bucket.unix_us));
}

Sha256 key(uint8_t fill) {
  Sha256 digest;
  digest.fill(fill);
  return digest;
}

policy::Consumer consumer(std::string id, std::vector<Sha256> api_keys = {}) {
  policy::Consumer consumer;
  consumer.id = std::move(id);
  consumer.api_keys = std::move(api_keys);
  return consumer;
}

class LocalStoreTest : public testing::Test {
 protected:
  LocalStoreTest() : disk_(FaultyDisk::install()) {}
  ~LocalStoreTest() override { disk_.fail_writes_with(SQLITE_OK); }

  std::unique_ptr<LocalStore> open() {
    LocalStoreOptions options;
    options.clock = [this] { return Now{.mono_us = mono_us_, .unix_us = 0}; };
    absl::StatusOr<std::unique_ptr<LocalStore>> store = LocalStore::open(path_, options);
    if (!store.ok()) {
      ADD_FAILURE() << store.status();
      std::abort();
    }
    (*store)->start(&grants_);
    return *std::move(store);
  }
  // What a person in the sqlite3 shell sees.
  std::string shell(const char* sql) {
    absl::StatusOr<Database> database = Database::open(path_);
    return database.ok() ? database->text(sql).value_or("") : "";
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state.db");
  FaultyDisk& disk_;
  GrantCollector grants_;
  std::atomic<int64_t> mono_us_{1'000'000};
};

TEST_F(LocalStoreTest, a_clean_stop_keeps_buckets_exactly) {
  const SavedBucket known{"c:acme", false, 100'000, 149'999, 1'700'000'000'123'456};
  const SavedBucket anonymous{kAddress, true, 30'000, 0, -1};
  ASSERT_TRUE(open()->close({known, anonymous}).ok());
  const absl::StatusOr<std::vector<SavedBucket>> buckets = open()->take_buckets();
  ASSERT_TRUE(buckets.ok());
  EXPECT_THAT(*buckets, UnorderedElementsAre(is_bucket(known), is_bucket(anonymous)));
}

TEST_F(LocalStoreTest, buckets_that_were_taken_are_never_found_again) {
  ASSERT_TRUE(open()->close({{"c:acme", false, 1, 1, 1}}).ok());
  live_and_be_killed([&] {
    const std::unique_ptr<LocalStore> store = open();
    if (store->take_buckets()->size() != 1) _exit(1);
    raise(SIGKILL);
  });
  EXPECT_THAT(*open()->take_buckets(), IsEmpty());
}

TEST_F(LocalStoreTest, buckets_of_an_earlier_stop_do_not_mix_with_those_of_this_one) {
  ASSERT_TRUE(open()->close({{"c:old", false, 1, 1, 1}}).ok());
  ASSERT_TRUE(open()->close({{"c:new", false, 1, 1, 1}}).ok());
  EXPECT_THAT(*open()->take_buckets(), ElementsAre(is_bucket({"c:new", false, 1, 1, 1})));
}

TEST_F(LocalStoreTest, close_carries_out_what_is_queued_and_lets_the_file_go) {
  const std::unique_ptr<LocalStore> store = open();
  for (int i = 0; i < 10'000; ++i) store->settle({"c:" + std::to_string(i), 1}, i);
  ASSERT_TRUE(store->close({}).ok());
  EXPECT_EQ(*open()->month_mark({"c:9999", 1}), 9'999);
}

TEST_F(LocalStoreTest, a_closed_store_says_so) {
  const std::unique_ptr<LocalStore> store = open();
  ASSERT_TRUE(store->close({}).ok());
  EXPECT_EQ(store->close({}).message(), "the store is closed");
  EXPECT_EQ(store->put_consumer(consumer("acme")).message(), "the store is closed");
  EXPECT_EQ(store->load_consumers().status().message(), "the store is closed");
  store->settle(kMonth, 1);
  store->reserve({kMonth, 1, 1, 1, -1});
}

TEST_F(LocalStoreTest, a_store_that_is_dropped_ends_at_once) {
  const std::unique_ptr<LocalStore> store = open();
  for (int i = 0; i < 10'000; ++i) store->settle({"c:" + std::to_string(i), 1}, i);
}

TEST_F(LocalStoreTest, consumers_come_back_as_they_were_put) {
  policy::Consumer acme{.id = "acme",
                        .tier = "pro",
                        .overrides = {.minute = 5'000'000, .month = std::nullopt},
                        .billing_day = 31,
                        .api_keys = {key(9), key(1), key(5)}};
  const policy::Consumer plain = consumer("Bob's \"shop\"");
  {
    const std::unique_ptr<LocalStore> store = open();
    ASSERT_TRUE(store->put_consumer(acme).ok());
    ASSERT_TRUE(store->put_consumer(plain).ok());
    acme.overrides = {.minute = std::nullopt, .month = -1};
    acme.api_keys = {key(7), key(9), key(7)};
    ASSERT_TRUE(store->put_consumer(acme).ok());
  }
  const absl::StatusOr<std::vector<policy::Consumer>> consumers = open()->load_consumers();
  ASSERT_TRUE(consumers.ok()) << consumers.status();
  ASSERT_EQ(consumers->size(), 2U);
  EXPECT_EQ((*consumers)[0].id, plain.id);
  EXPECT_EQ((*consumers)[0].tier, "");
  EXPECT_EQ((*consumers)[0].overrides, policy::LimitsPatch{});
  EXPECT_EQ((*consumers)[1].id, "acme");
  EXPECT_EQ((*consumers)[1].tier, "pro");
  EXPECT_EQ((*consumers)[1].billing_day, 31);
  EXPECT_EQ((*consumers)[1].overrides, acme.overrides);
  EXPECT_THAT((*consumers)[1].api_keys, ElementsAre(key(7), key(9)));
}

TEST_F(LocalStoreTest, a_consumer_is_durable_before_the_call_returns) {
  live_and_be_killed([&] {
    const std::unique_ptr<LocalStore> store = open();
    if (!store->put_consumer(consumer("acme")).ok()) _exit(1);
    if (!store->put_consumer(consumer("gone")).ok()) _exit(1);
    if (!store->remove_consumer("gone").ok()) _exit(1);
    raise(SIGKILL);
  });
  const std::unique_ptr<LocalStore> store = open();
  EXPECT_THAT(*store->load_consumers(), ElementsAre(Field(&policy::Consumer::id, "acme")));
  // Not only safe from a kill but on the disk.
  int syncs = disk_.syncs();
  ASSERT_TRUE(store->put_consumer(consumer("synced")).ok());
  EXPECT_GT(disk_.syncs(), syncs);
  // While months, of which there are many, do not wait for it.
  store->reserve({kMonth, 1'000, 1, 1, -1});
  grants_.take_one();
  syncs = disk_.syncs();
  store->reserve({kMonth, 1'000, 1, 1, -1});
  grants_.take_one();
  EXPECT_EQ(disk_.syncs(), syncs);
}

TEST_F(LocalStoreTest, a_key_of_another_consumer_is_refused_with_its_name_and_without_the_key) {
  const std::unique_ptr<LocalStore> store = open();
  ASSERT_TRUE(store->put_consumer(consumer("acme", {key(1)})).ok());
  const absl::Status status = store->put_consumer(consumer("thief", {key(2), key(1)}));
  EXPECT_EQ(status, absl::AlreadyExistsError("key " + key_id(key(1)) +
                                             " belongs to consumer acme already; revoke it there "
                                             "or make a new one"));
  EXPECT_THAT(*store->load_consumers(), ElementsAre(Field(&policy::Consumer::id, "acme")));
  ASSERT_TRUE(store->remove_consumer("acme").ok());
  EXPECT_TRUE(store->put_consumer(consumer("heir", {key(1)})).ok());
}

TEST_F(LocalStoreTest, consumers_are_found_by_id_and_listed_page_by_page_with_their_keys) {
  const std::unique_ptr<LocalStore> store = open();
  for (const char* id : {"zenith", "acme", "mid"})
    ASSERT_TRUE(store->put_consumer(consumer(id)).ok());
  ASSERT_TRUE(store->put_consumer(consumer("acme", {key(2), key(1)})).ok());
  const auto acme = store->find_consumer("acme");
  ASSERT_TRUE(acme.ok() && acme->has_value());
  EXPECT_THAT((*acme)->api_keys, ElementsAre(key(2), key(1)));
  EXPECT_FALSE(store->find_consumer("ghost")->has_value());
  EXPECT_THAT(*store->list_consumers("", 2), ElementsAre(Field(&policy::Consumer::id, "acme"),
                                                         Field(&policy::Consumer::id, "mid")));
  EXPECT_THAT(*store->list_consumers("mid", 2),
              ElementsAre(Field(&policy::Consumer::id, "zenith")));
  EXPECT_THAT(store->list_consumers("", 1)->front().api_keys, ElementsAre(key(2), key(1)));
}

TEST_F(LocalStoreTest, the_mode_is_heard_of_once_it_is_saved_and_after_a_crash) {
  std::vector<ModeRecord> heard;
  const auto hear = [&](const ModeRecord& record) { heard.push_back(record); };
  const ModeRecord shadow{policy::Mode::kShadow, 1000};
  {
    const std::unique_ptr<LocalStore> store = open();
    ASSERT_TRUE(store->watch_mode(hear).ok());
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_EQ(*store->put_mode(policy::Mode::kShadow, 1000), shadow);
    EXPECT_THAT(heard, ElementsAre(shadow));
    disk_.fail_writes_with(SQLITE_FULL);
    EXPECT_TRUE(absl::IsUnavailable(store->put_mode(policy::Mode::kOff, 2000).status()));
    disk_.fail_writes_with(SQLITE_OK);
    EXPECT_THAT(heard, ElementsAre(shadow)) << "what is not saved is not in force";
  }
  heard.clear();
  const std::unique_ptr<LocalStore> store = open();
  ASSERT_TRUE(store->watch_mode(hear).ok());
  EXPECT_THAT(heard, ElementsAre(shadow));
  ASSERT_TRUE(store->watch_mode(nullptr).ok());
  EXPECT_EQ(store->put_mode(std::nullopt, 3000)->mode, std::nullopt);
  EXPECT_THAT(heard, ElementsAre(shadow)) << "nobody listens any more";
}

TEST_F(LocalStoreTest, a_change_starts_from_what_is_recorded_and_its_refusal_changes_nothing) {
  const std::unique_ptr<LocalStore> store = open();
  const auto give_tier = [](std::optional<policy::Consumer> before) {
    policy::Consumer after = before.value_or(consumer("acme"));
    after.tier = before ? "second" : "first";
    return absl::StatusOr<policy::Consumer>(after);
  };
  EXPECT_EQ(store->change_consumer("acme", give_tier)->tier, "first");
  EXPECT_EQ(store->change_consumer("acme", give_tier)->tier, "second");
  const auto refused = store->change_consumer(
      "acme", [](auto) -> absl::StatusOr<policy::Consumer> { return absl::CancelledError("no"); });
  EXPECT_EQ(refused.status(), absl::CancelledError("no"));
  EXPECT_EQ((*store->find_consumer("acme"))->tier, "second");
}

TEST_F(LocalStoreTest, a_consumer_that_is_not_there_cannot_be_removed) {
  EXPECT_EQ(open()->remove_consumer("ghost"),
            absl::NotFoundError("the store holds no consumer \"ghost\""));
}

TEST_F(LocalStoreTest, people_can_read_the_file_while_it_is_in_use) {
  const std::unique_ptr<LocalStore> store = open();
  store->settle(kMonth, 12'500);
  store->settle({kAddress, 20'000}, 1);
  ASSERT_TRUE(store->put_consumer(consumer("acme", {sha256("secret")})).ok());
  EXPECT_EQ(shell("SELECT begins || ' ' || counted FROM month_for_people WHERE subject = 'c:acme'"),
            "2024-10-04 12.5");
  EXPECT_EQ(shell("SELECT subject FROM month WHERE subject LIKE 'a:%'"), "a:c0000201");
  EXPECT_EQ(shell("SELECT consumer FROM api_key WHERE sha256 = "
                  "'2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'"),
            "acme");
}

TEST_F(LocalStoreTest, whoever_gets_a_failed_grant_already_sees_the_store_unhealthy) {
  struct Witness final : engine::GrantSink {
    void on_grants(const std::vector<Grant>&, Now) override { healthy.set_value(store->healthy()); }
    LocalStore* store = nullptr;
    std::promise<bool> healthy;
  } witness;
  const std::unique_ptr<LocalStore> store = open();
  witness.store = store.get();
  store->start(&witness);
  disk_.fail_writes_with(SQLITE_FULL);
  store->reserve({kMonth, 16'000, 10, 500, -1});
  EXPECT_FALSE(witness.healthy.get_future().get());
}

TEST_F(LocalStoreTest, a_full_disk_is_noticed_and_recovery_needs_no_traffic) {
  const std::unique_ptr<LocalStore> store = open();
  disk_.fail_writes_with(SQLITE_FULL);
  store->reserve({kMonth, 16'000, 10, 500, -1});
  EXPECT_FALSE(grants_.take_one().ok);
  EXPECT_FALSE(store->healthy());
  EXPECT_FALSE(store->stats().up);
  store->settle(kMonth, 77);
  ASSERT_TRUE(store->month_mark(kMonth).ok());  // the settle has been looked at
  EXPECT_EQ(store->stats().queue, 1U);

  disk_.fail_writes_with(SQLITE_OK);
  mono_us_ += 250'000;
  // Any call wakes the thread, which then looks at its chores first.
  while (!store->healthy()) ASSERT_TRUE(store->month_mark({"c:any", 1}).ok());
  EXPECT_EQ(*store->month_mark(kMonth), 77);
  EXPECT_TRUE(store->stats().up);
  EXPECT_EQ(store->stats().queue, 0U);
  EXPECT_EQ(store->stats().failures, 1U);
  EXPECT_EQ(store->stats().refused, 1U);
}

TEST_F(LocalStoreTest, a_consumer_that_does_not_fit_on_the_disk_is_refused) {
  const std::unique_ptr<LocalStore> store = open();
  disk_.fail_writes_with(SQLITE_FULL);
  EXPECT_EQ(store->put_consumer(consumer("acme")).message(),
            "cannot save consumer \"acme\": database or disk is full");
  disk_.fail_writes_with(SQLITE_OK);
  EXPECT_THAT(*store->load_consumers(), IsEmpty());
}

TEST_F(LocalStoreTest, a_stop_soon_after_the_disk_has_room_again_is_exact) {
  const std::unique_ptr<LocalStore> store = open();
  store->reserve({kMonth, 16'000, 10, 500, -1});
  grants_.take_one();
  disk_.fail_writes_with(SQLITE_FULL);
  store->settle(kMonth, 77);
  ASSERT_TRUE(store->month_mark(kMonth).ok());
  EXPECT_FALSE(store->healthy());
  disk_.fail_writes_with(SQLITE_OK);
  EXPECT_TRUE(store->close({}).ok());
  EXPECT_EQ(*open()->month_mark(kMonth), 77);
}

TEST_F(LocalStoreTest, a_stop_on_a_full_disk_is_an_error_and_gives_nobody_more) {
  {
    const std::unique_ptr<LocalStore> store = open();
    store->reserve({kMonth, 16'000, 10, 500, -1});
    grants_.take_one();
    disk_.fail_writes_with(SQLITE_FULL);
    store->settle(kMonth, 77);
    EXPECT_EQ(store->close({{"c:acme", false, 1, 1, 1}}).message(),
              "the store could not be saved at the stop: database or disk is full; subjects may "
              "lose what was reserved for them and not spent, and their minutes start anew");
    disk_.fail_writes_with(SQLITE_OK);
  }
  const std::unique_ptr<LocalStore> store = open();
  EXPECT_EQ(*store->month_mark(kMonth), 500);
  EXPECT_THAT(*store->take_buckets(), IsEmpty());
}

TEST_F(LocalStoreTest, a_hundred_thousand_subjects_are_reserved_in_batches) {
  const std::unique_ptr<LocalStore> store = open();
  for (const char* round : {"new", "known"}) {
    const auto begin = std::chrono::steady_clock::now();
    for (size_t i = 0; i < kSubjects; ++i) {
      store->reserve({{"c:consumer-" + std::to_string(i * 7'919 % kSubjects), 20'000},
                      1'000'000'000,
                      1'000,
                      100'000,
                      -1});
    }
    const std::vector<Grant> grants = grants_.take(kSubjects);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    for (const Grant& grant : grants) ASSERT_TRUE(grant.ok);
    std::cout << kSubjects << " " << round << " subjects: " << took.count() * 1e3 << " ms, "
              << took.count() * 1e6 / kSubjects << " us each, " << store->stats().batches
              << " transactions\n";
  }
  EXPECT_EQ(store->stats().requests, 2 * kSubjects);
  EXPECT_LT(store->stats().batches, 2 * kSubjects / 10);
}

}  // namespace
}  // namespace quota::store
