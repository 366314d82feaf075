#include <gtest/gtest.h>

#include "redis/test_servers.h"
#include "store/redis_store.h"
#include "store/store_conformance.h"
#include "store/test_support.h"

namespace quota::store {
namespace {

class RedisWorld final : public StoreWorld {
 public:
  std::unique_ptr<engine::Store> open() override {
    RedisStoreOptions options;
    options.client.url = *redis::parse_url(server_.unix_url());
    options.client.command_timeout_us = redis::testing::kPatientUs;
    options.journal = path_;
    auto store = RedisStore::open(std::move(options));
    if (store.ok()) return *std::move(store);
    ADD_FAILURE() << store.status();
    std::abort();
  }

  void stop(std::unique_ptr<engine::Store> store) override {
    EXPECT_TRUE(static_cast<RedisStore&>(*store).close().ok());
  }

 private:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("journal.db");
  redis::testing::RedisServer server_;
};

INSTANTIATE_TEST_SUITE_P(Redis, StoreConformance,
                         testing::Values(StoreKind{"shared",
                                                   [] { return std::make_unique<RedisWorld>(); }}),
                         name_of_store);

}  // namespace
}  // namespace quota::store
