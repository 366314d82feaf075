#include "metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace quota {
namespace {

using ::testing::HasSubstr;

class MetricsTest : public ::testing::Test {
 protected:
  std::string render() const { return table_->render(2); }

  std::unique_ptr<MetricsTable> table_ = std::make_unique<MetricsTable>();
};

TEST_F(MetricsTest, ShowsEveryOutcomeBeforeAnythingHappened) {
  for (const std::string_view outcome : kOutcomeNames) {
    EXPECT_THAT(render(), HasSubstr("quota_gateway_requests_total{outcome=\"" +
                                    std::string(outcome) + "\"} 0\n"));
  }
}

TEST_F(MetricsTest, SumsTheWorkers) {
  table_->worker(0)->count(Outcome::kDenied);
  table_->worker(1)->count(Outcome::kDenied);
  table_->worker(1)->count_timeout();
  EXPECT_THAT(render(), HasSubstr("{outcome=\"denied\"} 2\n"));
  EXPECT_THAT(render(), HasSubstr("quota_gateway_timeouts_total 1\n"));
}

TEST_F(MetricsTest, HasRoomForAnyNumberOfWorkers) {
  table_->worker(MetricsTable::kWorkers * 3 + 5)->count(Outcome::kAllowed);
  EXPECT_THAT(render(), HasSubstr("{outcome=\"allowed\"} 1\n"));
}

TEST_F(MetricsTest, CountsWaitsInAllBucketsAboveThem) {
  table_->worker(0)->observe_wait(50);
  table_->worker(0)->observe_wait(51);
  table_->worker(1)->observe_wait(2'500'000);
  const std::string text = render();
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_bucket{le=\"0.00005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_bucket{le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_bucket{le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_sum 2.500101\n"));
  EXPECT_THAT(text, HasSubstr("quota_gateway_wait_seconds_count 3\n"));
}

TEST_F(MetricsTest, TheSidecarIsUpUntilAWorkerLosesIt) {
  EXPECT_THAT(render(), HasSubstr("quota_gateway_sidecar_up 1\n"));
  table_->worker(1)->set_sidecar_up(false);
  EXPECT_THAT(render(), HasSubstr("quota_gateway_sidecar_up 0\n"));
  table_->worker(1)->set_sidecar_up(true);
  EXPECT_THAT(render(), HasSubstr("quota_gateway_sidecar_up 1\n"));
}

TEST_F(MetricsTest, WhatAWorkerSaidThatIsNoMoreDoesNotCount) {
  table_->worker(2)->set_sidecar_up(false);
  EXPECT_THAT(render(), HasSubstr("quota_gateway_sidecar_up 1\n"));
}

}  // namespace
}  // namespace quota
