#pragma once

#include <map>
#include <string>
#include <vector>

#include "identity/consumer_source.h"
#include "identity/partial_directory.h"

namespace quota::identity::test {

// Keeps questions until a test answers them.
class FakeSource final : public ConsumerSource {
 public:
  explicit FakeSource(PartialDirectory& directory) : directory_(directory) { directory.use(this); }
  ~FakeSource() override { directory_.use(nullptr); }

  void look_up(const Question& question) override {
    asked.push_back(question);
    ++asked_in_all;
  }

  // Tells what `records` hold, or that nobody can say.
  void answer_all(int64_t mono_us) {
    for (const Question& question : std::exchange(asked, {})) {
      if (is_away) {
        directory_.unanswered(question, mono_us);
      } else {
        directory_.answered(question, find(question), mono_us);
      }
    }
  }

  std::optional<policy::Consumer> find(const Question& question) const {
    for (const policy::Consumer& each : records) {
      if (const auto* id = std::get_if<std::string>(&question)) {
        if (each.id == *id) return each;
      } else {
        for (const Sha256& key : each.api_keys) {
          if (key == std::get<Sha256>(question)) return each;
        }
      }
    }
    return std::nullopt;
  }

  std::vector<policy::Consumer> records;
  std::vector<Question> asked;
  size_t asked_in_all = 0;
  bool is_away = false;

 private:
  PartialDirectory& directory_;
};

// Notes which look-ups have ended.
class FakeAwaiter final : public Awaiter {
 public:
  void answered(uint64_t lookup) override { ended.push_back(lookup); }
  std::vector<uint64_t> ended;
};

}  // namespace quota::identity::test
