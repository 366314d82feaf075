#pragma once

#include <string_view>

namespace quota::policy {

// Everything that can be wrong with a policy. The sentences are in messages.cc, together, so that
// they speak with one voice; a test makes sure that each has an example in testdata/bad.
enum class Message {
  // The text itself.
  kFileTooLarge,
  kNotUtf8,
  kControlCharacter,
  kSyntax,
  kEmpty,
  kTabIndent,
  kSecondDocument,
  kTooDeep,
  kAlias,
  kTag,
  kKeyNotText,
  kDuplicateKey,
  // Keys and values anywhere.
  kUnknownKey,
  kNoValue,
  kMissingKey,
  kNotMapping,
  kNotList,
  kNotText,
  kEmptyText,
  kNotFlag,
  kNotNumber,
  kNotWhole,
  kTooManyDecimals,
  kOutOfRange,
  kUnknownChoice,
  kTooMany,
  kVersion,
  // Tiers and limits.
  kUnlimitedAndLimited,
  kNoLimit,
  kMonthNotHere,
  kTierName,
  kTierReserved,
  kUnknownTier,
  kNoDefaultTier,
  // Endpoints.
  kPathStart,
  kPathStar,
  kPathQuery,
  kPathTooLong,
  kMethod,
  kDuplicateEndpoint,
  kHiddenEndpoint,
  kMinuteTooSmall,
  kMonthTooSmall,
  // Anonymous.
  kNotNetwork,
  kHostBits,
  kDuplicateNetwork,
  // Identity.
  kKeyUnreadable,
  kKeyEmpty,
  kKeyTooShort,
  kKeyIsPem,
  kKeyIsPrivate,
  kKeyNotPublic,
  kKeyTooWeak,
  // Consumers.
  kConsumerId,
  kDuplicateConsumer,
  kNotSha256,
  kHashOfNothing,
  kDuplicateApiKey,
  // Overrides by attribute.
  kAttributeName,
  kNotAnAttribute,
  kDuplicateOverride,

  kCount,
};

// The sentence, with {0}, {1}, … where its arguments go.
std::string_view format_of(Message message);

}  // namespace quota::policy
