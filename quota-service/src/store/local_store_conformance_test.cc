#include <memory>

#include "store/local_store.h"
#include "store/store_conformance.h"
#include "store/test_support.h"

namespace quota::store {
namespace {

class LocalWorld final : public StoreWorld {
 public:
  std::unique_ptr<engine::Store> open() override {
    absl::StatusOr<std::unique_ptr<LocalStore>> store = LocalStore::open(path_);
    if (store.ok()) return *std::move(store);
    ADD_FAILURE() << store.status();
    std::abort();
  }

  void stop(std::unique_ptr<engine::Store> store) override {
    EXPECT_TRUE(static_cast<LocalStore&>(*store).close({}).ok());
  }

 private:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state.db");
};

INSTANTIATE_TEST_SUITE_P(Local, StoreConformance,
                         testing::Values(StoreKind{"SQLite",
                                                   [] { return std::make_unique<LocalWorld>(); }}),
                         name_of_store);

}  // namespace
}  // namespace quota::store
