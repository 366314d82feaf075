#include "policy/messages.h"

#include <cstddef>
#include <iterator>

namespace quota::policy {
namespace {

struct Entry {
  Message message;
  std::string_view format;
};

constexpr Entry kEntries[] = {
    {Message::kFileTooLarge,
     "the file is larger than {0} MB; keep consumers in the store (quotactl consumer add) instead"},
    {Message::kNotUtf8, "this is not UTF-8 text; save the file as UTF-8"},
    {Message::kControlCharacter, "control character {0} is not allowed; remove it"},
    {Message::kSyntax,
     "not valid YAML ({0}); check indentation, quotes and brackets here and just above"},
    {Message::kEmpty,
     "the file says nothing, which would take every tier away; write at least `version: 1`"},
    {Message::kTabIndent, "a tab indents this line; YAML is indented with spaces"},
    {Message::kSecondDocument,
     "a second YAML document starts here; a policy is one document, so remove `---`"},
    {Message::kTooDeep, "nested more than {0} levels deep; a policy needs no more than 5"},
    {Message::kAlias,
     "YAML anchors (&name) and aliases (*name) are not supported; write the value out"},
    {Message::kTag, "YAML tags such as {0} are not supported; remove the tag"},
    {Message::kKeyNotText, "a key must be a plain word; is a colon or a bracket misplaced?"},
    {Message::kDuplicateKey, "{0} is given twice here, first in line {1}; remove one of them"},

    {Message::kUnknownKey, "unknown key {0} in {1}; {2}"},
    {Message::kNoValue, "`{0}` has no value; give it one or remove the key"},
    {Message::kMissingKey, "{0} has no `{1}`; add it"},
    {Message::kNotMapping, "{0} must be a mapping of keys to values, not {1}"},
    {Message::kNotList, "{0} must be a list such as [a, b], not {1}"},
    {Message::kNotText, "{0} must be a text, not {1}"},
    {Message::kEmptyText, "`{0}` must not be empty; give it a value or remove the key"},
    {Message::kNotFlag, "`{0}` must be true or false, not {1}"},
    {Message::kNotNumber, "`{0}` must be a plain decimal number such as 2 or 1.5, not {1}"},
    {Message::kNotWhole, "`{0}` is {1}; it must be a whole number"},
    {Message::kTooManyDecimals, "`{0}` is {1}; it may have no more than 3 decimals"},
    {Message::kOutOfRange, "`{0}` is {1}; it must be from {2} to {3}"},
    {Message::kUnknownChoice, "{0} cannot be {1}; {2}"},
    {Message::kTooMany, "{0} {1} are too many; no more than {2} are supported"},
    {Message::kVersion, "the version is {0}; this program reads version 1"},

    {Message::kUnlimitedAndLimited, "{0} is unlimited and has `{1}` too; remove one of them"},
    {Message::kNoLimit, "{0} has no limit; give it {1}, or say `unlimited: true`"},
    {Message::kMonthNotHere,
     "{0} cannot have a monthly_quota, because {1}; remove it and limit requests_per_minute"},
    {Message::kTierName, "{0} cannot be the name of a tier; use 1 to 32 of a-z, 0-9, _ and -"},
    {Message::kTierReserved,
     "`anonymous` cannot be the name of a tier; set the limits of requests without credentials "
     "under the top-level key `anonymous`"},
    {Message::kUnknownTier, "there is no tier {0}; {1}"},
    {Message::kNoDefaultTier,
     "{0} needs a default tier, but `default_tier` is not set and there is no tier `free`; set "
     "`default_tier`"},

    {Message::kPathStart, "path {0} must start with /, or be \"*\" for every path"},
    {Message::kPathStar, "path {0} has a * that is not at its end; only prefixes can be matched"},
    {Message::kPathQuery, "path {0} holds a query, which is never looked at; end it before the ?"},
    {Message::kPathTooLong, "this path is longer than {0} characters; shorten it to a prefix"},
    {Message::kMethod,
     "method {0} is not a method as HTTP writes it, such as GET; leave it out to match all"},
    {Message::kDuplicateEndpoint,
     "endpoint {0} is the same as in line {1} and never matches; remove one of them"},
    {Message::kHiddenEndpoint,
     "endpoint {0} never matches, because {1} in line {2} comes first; move it above that line"},
    {Message::kMinuteTooSmall,
     "{0} can never pay for {1}: it costs {2}, and a full bucket holds {3} (requests_per_minute "
     "{4} × "
     "burst {5}); raise the limit or lower the cost"},
    {Message::kMonthTooSmall,
     "{0} can never pay for {1}: it costs {2}, and monthly_quota is {3}; raise the quota or lower "
     "the "
     "cost"},

    {Message::kNotNetwork, "{0} is not a network such as 10.0.0.0/8 or 2001:db8::/32"},
    {Message::kHostBits, "network {0} has bits set behind its mask; write {1}"},
    {Message::kDuplicateNetwork, "network {0} is listed already in line {1}; remove one of them"},

    {Message::kKeyUnreadable,
     "the key file cannot be read ({0}); a relative name is looked for beside the policy file"},
    {Message::kKeyEmpty, "the key file is empty; put the key into it"},
    {Message::kKeyTooShort,
     "the secret in the key file has {0} bytes; HS256 needs {1} or more, as from `openssl rand "
     "-hex "
     "32`"},
    {Message::kKeyIsPem,
     "the key file holds a PEM key, but HS256 takes a shared secret; use RS256, or anybody who "
     "knows the public key can sign tokens"},
    {Message::kKeyIsPrivate,
     "the key file holds a private key; give only the public one, as from `openssl pkey -pubout`"},
    {Message::kKeyNotPublic,
     "the key file holds no RSA public key in PEM (-----BEGIN PUBLIC KEY-----), as RS256 needs"},
    {Message::kKeyTooWeak, "the RSA key has {0} bits; use one of {1} or more"},

    {Message::kConsumerId,
     "{0} cannot be the id of a consumer; use 1 to 128 ASCII letters, digits and punctuation, no "
     "spaces"},
    {Message::kDuplicateConsumer,
     "consumer {0} is defined already in line {1}; remove one of them"},
    {Message::kNotSha256,
     "this is not a SHA-256 in 64 hexadecimal digits; take it from `printf %s KEY | sha256sum`"},
    {Message::kHashOfNothing,
     "this is the SHA-256 of an empty text; was the key missing when it was hashed?"},
    {Message::kDuplicateApiKey,
     "this key is given already to consumer {0} in line {1}; a key belongs to one consumer, once"},

    {Message::kAttributeName,
     "attribute {0} is not a name; use 1 to 64 of a-z, A-Z, 0-9, _, - and ., as in nginx's "
     "quota_attribute"},
    {Message::kNotAnAttribute,
     "`{0}` says who is asking and is not among the attributes that can be matched; use {1}"},
    {Message::kDuplicateOverride,
     "attribute {0} is overridden for this value already in line {1}; remove one of them"},
};

constexpr bool complete_and_in_order() {
  for (size_t i = 0; i < std::size(kEntries); ++i) {
    if (static_cast<size_t>(kEntries[i].message) != i) return false;
  }
  return std::size(kEntries) == static_cast<size_t>(Message::kCount);
}
static_assert(complete_and_in_order(), "one sentence per Message, in the order of the enum");

}  // namespace

std::string_view format_of(Message message) {
  return kEntries[static_cast<size_t>(message)].format;
}

}  // namespace quota::policy
