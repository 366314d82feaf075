#include "admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "admin/test_server.h"

namespace quota::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Fixed final : public prometheus::Collectable {
 public:
  std::vector<MetricFamily> Collect() const override {
    MetricFamily counter{"requests_total", "All \\ of them.", MetricType::Counter, {}};
    counter.metric.resize(2);
    counter.metric[0].label = {{"tier", "free"}, {"endpoint", "/a \"b\"\n"}};
    counter.metric[0].counter.value = 12345678901;
    counter.metric[1].counter.value = 0;
    MetricFamily gauge{"up", "Is it?", MetricType::Gauge, {}};
    gauge.metric.resize(1);
    gauge.metric[0].gauge.value = -0.1;
    MetricFamily histogram{"seconds", "How long.", MetricType::Histogram, {}};
    histogram.metric.resize(1);
    histogram.metric[0].histogram.sample_count = 7;
    histogram.metric[0].histogram.sample_sum = 1.25;
    histogram.metric[0].histogram.bucket = {
        {3, 0.0001}, {6, 2.5}, {7, std::numeric_limits<double>::infinity()}};
    return {counter, gauge, histogram};
  }
};

// Prometheus' text again, made of the JSON.
std::string text_of(const Json& metrics) {
  std::vector<MetricFamily> families;
  for (const Json& family : metrics.at("families")) {
    MetricFamily made;
    made.name = family.at("name");
    made.help = family.at("help");
    const std::string type = family.at("type");
    made.type = type == "counter" ? MetricType::Counter
                : type == "gauge" ? MetricType::Gauge
                                  : MetricType::Histogram;
    for (const Json& sample : family.at("samples")) {
      ClientMetric& metric = made.metric.emplace_back();
      for (const auto& [name, value] : sample.at("labels").items()) {
        metric.label.push_back({name, value});
      }
      if (made.type == MetricType::Histogram) {
        metric.histogram.sample_count = sample.at("count");
        metric.histogram.sample_sum = sample.at("sum");
        for (const Json& bucket : sample.at("buckets")) {
          const Json& bound = bucket.at("le");
          metric.histogram.bucket.push_back(
              {bucket.at("count"),
               bound.is_null() ? std::numeric_limits<double>::infinity() : bound.get<double>()});
        }
      } else {
        (made.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
            sample.at("value");
      }
    }
    families.push_back(std::move(made));
  }
  MetricsRegistry registry;
  struct Made final : prometheus::Collectable {
    std::vector<MetricFamily> families;
    std::vector<MetricFamily> Collect() const override { return families; }
  };
  const auto collectable = std::make_shared<Made>();
  collectable->families = std::move(families);
  registry.add(collectable);
  return registry.text();
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

class MetricsAsJson : public testing::AdminServerTest {};

TEST_F(MetricsAsJson, AreThePageLineByLine) {
  metrics_.add(std::make_shared<Fixed>());
  metrics_.add(std::make_shared<EngineCollector>(engine_));
  metrics_.add(std::make_shared<PolicyCollector>(policy_));
  metrics_.add(std::make_shared<BuildCollector>("1.2.3"));
  const std::string page = get("/metrics")->body;
  const auto answer = get("/metrics.json");
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(lines(text_of(json(answer))), lines(page));
  EXPECT_GT(lines(page).size(), 20u);
}

}  // namespace
}  // namespace quota::admin
