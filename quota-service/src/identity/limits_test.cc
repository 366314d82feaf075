#include "identity/limits.h"

#include <gtest/gtest.h>

#include "identity/test_policy.h"

namespace quota::identity {
namespace {

using policy::Limits;

policy::AttributeOverride override_of(std::string name, std::string equals, int64_t minute) {
  return {std::move(name), std::move(equals), {.minute = minute, .month = {}}};
}

Check with(std::string_view name, std::string_view value) {
  Check check;
  check.attributes = {{"other", "XX"}, {name, value}};
  return check;
}

Subject subject_with(Limits limits) {
  Subject subject;
  subject.limits = limits;
  return subject;
}

TEST(LimitsFor, AreTheSubjectsWithoutAMatch) {
  policy::Policy policy;
  policy.attribute_overrides = {override_of("country", "XX", 10)};
  const Subject subject = subject_with({100, 200});
  EXPECT_EQ(limits_for(Check(), subject, policy), subject.limits);
  EXPECT_EQ(limits_for(with("country", "YY"), subject, policy), subject.limits);
  EXPECT_EQ(limits_for(with("Country", "XX"), subject, policy), subject.limits);
}

TEST(LimitsFor, AMatchReplacesOnlyWhatItNames) {
  policy::Policy policy;
  policy.attribute_overrides = {override_of("country", "XX", 10)};
  EXPECT_EQ(limits_for(with("country", "XX"), subject_with({100, 200}), policy), (Limits{10, 200}));
}

TEST(LimitsFor, AMatchLimitsAnUnlimitedTierToo) {
  policy::Policy policy;
  policy.attribute_overrides = {override_of("country", "XX", 10)};
  EXPECT_EQ(limits_for(with("country", "XX"), subject_with({}), policy),
            (Limits{10, Limits::kNone}));
}

TEST(LimitsFor, TheFirstMatchCountsAlone) {
  policy::Policy policy;
  policy.attribute_overrides = {override_of("country", "YY", 1), override_of("country", "XX", 2),
                                override_of("other", "XX", 3)};
  EXPECT_EQ(limits_for(with("country", "XX"), subject_with({100, 200}), policy), (Limits{2, 200}));
}

TEST(LimitsFor, AnAttributeMayHoldAnyBytes) {
  policy::Policy policy;
  const std::string odd("\xff\0x", 3);
  policy.attribute_overrides = {override_of("country", odd, 10)};
  EXPECT_EQ(limits_for(with("country", odd), subject_with({}), policy).minute, 10);
  EXPECT_EQ(limits_for(with("country", "\xff"), subject_with({}), policy).minute, Limits::kNone);
}

TEST(LimitsFor, TheAssertedConsumerAndTierMatchOnlyWhenTrusted) {
  policy::Policy policy;
  policy.attribute_overrides = {override_of("consumer", "acme", 10),
                                override_of("tier", "pro", 20)};
  const Subject subject = subject_with({100, 200});
  Check acme;
  acme.consumer = "acme";
  Check pro;
  pro.tier = "pro";
  EXPECT_EQ(limits_for(acme, subject, policy).minute, 100);
  EXPECT_EQ(limits_for(pro, subject, policy).minute, 100);
  policy.identity.trust_consumer = true;
  EXPECT_EQ(limits_for(acme, subject, policy).minute, 10);
  EXPECT_EQ(limits_for(pro, subject, policy).minute, 100);
  policy.identity.trust_tier = true;
  EXPECT_EQ(limits_for(pro, subject, policy).minute, 20);
}

TEST(LimitsFor, AnAttributeCalledLikeAFieldIsNotTheField) {
  policy::Policy policy;
  policy.identity.trust_consumer = policy.identity.trust_tier = true;
  policy.attribute_overrides = {override_of("consumer", "acme", 10),
                                override_of("tier", "pro", 20)};
  EXPECT_EQ(limits_for(with("consumer", "acme"), subject_with({}), policy).minute, Limits::kNone);
  EXPECT_EQ(limits_for(with("tier", "pro"), subject_with({}), policy).minute, Limits::kNone);
}

}  // namespace
}  // namespace quota::identity
