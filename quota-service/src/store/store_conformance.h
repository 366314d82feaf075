#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/store.h"

// What every engine::Store must keep to. The tests are in store_conformance_test.cc; a store takes
// part with
//   INSTANTIATE_TEST_SUITE_P(Local, StoreConformance, testing::Values(…), name_of_store);
namespace quota::store {

// Where one store's memory lies, across the lives of the processes that use it.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  // The store at the start of a process; start() has not been called.
  virtual std::unique_ptr<engine::Store> open() = 0;
  // The clean end of a process.
  virtual void stop(std::unique_ptr<engine::Store> store) = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make_world;
};

class StoreConformance : public testing::TestWithParam<StoreKind> {
 protected:
  std::unique_ptr<StoreWorld> world_ = GetParam().make_world();
};

inline std::string name_of_store(const testing::TestParamInfo<StoreKind>& info) {
  return info.param.name;
}

}  // namespace quota::store
