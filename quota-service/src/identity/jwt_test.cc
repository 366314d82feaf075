#include "identity/jwt.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>

#include "identity/test_tokens.h"

namespace quota::identity {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr char kHeader[] = R"({"alg":"HS256","typ":"JWT"})";
const std::string kSecret = "a secret of thirty-two bytes ....";

std::string in(int64_t seconds) { return std::to_string(kNow + seconds); }

// A JSON object of claims for acme that expires in an hour, and whatever `more` adds.
std::string claims(const std::string& more = "") {
  return R"({"sub":"acme","exp":)" + in(3600) + more + "}";
}

std::string hs256(const std::string& payload) {
  return test::token_of_libjwt(JWT_ALG_HS256, kSecret, payload);
}

policy::Jwt hs256_config() {
  policy::Jwt config;
  config.key = kSecret;
  return config;
}

const test::KeyPair& rsa() {
  static const test::KeyPair pair = test::new_rsa_key();
  return pair;
}

policy::Jwt rs256_config() {
  policy::Jwt config;
  config.algorithm = policy::JwtAlgorithm::kRs256;
  config.key = rsa().public_pem;
  return config;
}

JwtResult verify(const std::string& token, policy::Jwt config = hs256_config(),
                 int64_t unix_s = kNow) {
  return JwtVerifier(std::move(config)).verify(token, unix_s);
}

JwtStatus status_of(const std::string& token, policy::Jwt config = hs256_config(),
                    int64_t unix_s = kNow) {
  return verify(token, std::move(config), unix_s).status;
}

TEST(Jwt, AcceptsAnHs256TokenOfLibjwt) {
  const JwtResult result = verify(hs256(claims(R"(,"tier":"pro")")));
  ASSERT_EQ(result.status, JwtStatus::kValid) << to_string(result.status);
  EXPECT_EQ(result.consumer, "acme");
  EXPECT_EQ(result.tier, "pro");
  EXPECT_EQ(result.expires_unix_s, kNow + 3600);
}

TEST(Jwt, AcceptsAnRs256TokenOfLibjwt) {
  const std::string token = test::token_of_libjwt(JWT_ALG_RS256, rsa().private_pem, claims());
  EXPECT_EQ(status_of(token, rs256_config()), JwtStatus::kValid);
}

TEST(Jwt, AcceptsTheTypeOfAnAccessToken) {
  const std::string token = test::raw_hs256(kSecret, R"({"alg":"HS256","typ":"at+jwt"})", claims());
  EXPECT_EQ(status_of(token), JwtStatus::kValid);
}

TEST(Jwt, ReadsOtherClaimsWhenThePolicyNamesThem) {
  policy::Jwt config = hs256_config();
  config.consumer_claim = "client_id";
  config.tier_claim = "https://example.com/plan";
  const JwtResult result =
      verify(hs256(claims(R"(,"client_id":"zenith","https://example.com/plan":"free")")), config);
  EXPECT_EQ(result.consumer, "zenith");
  EXPECT_EQ(result.tier, "free");
}

TEST(Jwt, TakesATierThatIsNoStringForNone) {
  const JwtResult result = verify(hs256(claims(R"(,"tier":["pro"])")));
  EXPECT_EQ(result.status, JwtStatus::kValid);
  EXPECT_EQ(result.tier, "");
}

TEST(Jwt, RefusesATokenWithoutSignature) {
  const std::string none = test::token_of_libjwt(JWT_ALG_NONE, "", claims());
  ASSERT_FALSE(none.empty());
  EXPECT_EQ(status_of(none), JwtStatus::kWrongAlgorithm);
  EXPECT_EQ(status_of(none, rs256_config()), JwtStatus::kWrongAlgorithm);
  const std::string stripped = test::base64url(kHeader) + "." + test::base64url(claims()) + ".";
  EXPECT_EQ(status_of(stripped), JwtStatus::kBadSignature);
}

TEST(Jwt, RefusesAnyAlgorithmButTheConfiguredOneWhateverTheSignature) {
  for (const char* algorithm : {"none", "None", "hs256", "HS256 ", "HS384", "RS256", "ES256", ""}) {
    const std::string header = std::string(R"({"alg":")") + algorithm + R"("})";
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, header, claims())), JwtStatus::kWrongAlgorithm)
        << algorithm;
  }
  for (const char* header : {"{}", R"({"alg":null})", R"({"alg":1})", R"({"alg":["HS256"]})"}) {
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, header, claims())), JwtStatus::kWrongAlgorithm)
        << header;
  }
  EXPECT_EQ(status_of(test::token_of_libjwt(JWT_ALG_HS512, kSecret, claims())),
            JwtStatus::kWrongAlgorithm);
}

TEST(Jwt, RefusesTheRsaPublicKeyUsedAsAnHmacSecret) {
  const std::string forged = test::raw_hs256(rsa().public_pem, kHeader, claims());
  EXPECT_EQ(status_of(forged, rs256_config()), JwtStatus::kWrongAlgorithm);
  const std::string labelled = test::raw_hs256(rsa().public_pem, R"({"alg":"RS256"})", claims());
  EXPECT_EQ(status_of(labelled, rs256_config()), JwtStatus::kBadSignature);
}

TEST(Jwt, RefusesEverythingWhenAPublicKeyIsConfiguredAsASecret) {
  policy::Jwt config = hs256_config();
  config.key = rsa().public_pem;
  EXPECT_EQ(status_of(test::raw_hs256(config.key, kHeader, claims()), config),
            JwtStatus::kUnusableKey);
}

TEST(Jwt, SaysWhichKeysAreUnusable) {
  EXPECT_EQ(JwtVerifier(hs256_config()).key_fault(), "");
  EXPECT_EQ(JwtVerifier(rs256_config()).key_fault(), "");
  policy::Jwt config = hs256_config();
  config.key = "";
  EXPECT_NE(JwtVerifier(config).key_fault(), "");
  EXPECT_EQ(status_of(test::raw_hs256("", kHeader, claims()), config), JwtStatus::kUnusableKey);
  for (const std::string& key :
       {std::string(), std::string("not PEM"), rsa().private_pem, test::new_ec_key().public_pem,
        test::new_rsa_key(1024).public_pem}) {
    config = rs256_config();
    config.key = key;
    EXPECT_NE(JwtVerifier(config).key_fault(), "") << key;
  }
}

TEST(Jwt, RefusesASignatureByAnotherKey) {
  EXPECT_EQ(status_of(test::raw_hs256("another secret", kHeader, claims())),
            JwtStatus::kBadSignature);
  const std::string foreign =
      test::token_of_libjwt(JWT_ALG_RS256, test::new_rsa_key().private_pem, claims());
  EXPECT_EQ(status_of(foreign, rs256_config()), JwtStatus::kBadSignature);
}

TEST(Jwt, RefusesAPayloadUnderASignatureOfAnother) {
  const std::string mine = hs256(claims());
  const std::string other = test::base64url(R"({"sub":"victim","exp":9999999999})");
  const size_t first = mine.find('.');
  const size_t second = mine.find('.', first + 1);
  EXPECT_EQ(status_of(mine.substr(0, first + 1) + other + mine.substr(second)),
            JwtStatus::kBadSignature);
}

TEST(Jwt, DoesNotReadClaimsBeforeTheSignatureIsVerified) {
  EXPECT_EQ(status_of(test::raw_hs256("another secret", kHeader, "no JSON")),
            JwtStatus::kBadSignature);
  EXPECT_EQ(status_of(test::raw_hs256(kSecret, kHeader, "no JSON")), JwtStatus::kMalformed);
}

TEST(Jwt, ExpiresAtTheSecondOfExp) {
  const std::string token = hs256(claims());
  EXPECT_EQ(status_of(token, hs256_config(), kNow + 3599), JwtStatus::kValid);
  EXPECT_EQ(status_of(token, hs256_config(), kNow + 3600), JwtStatus::kExpired);
  const std::string fractional = hs256(R"({"sub":"acme","exp":)" + in(10) + ".75}");
  EXPECT_EQ(status_of(fractional, hs256_config(), kNow + 9), JwtStatus::kValid);
  EXPECT_EQ(status_of(fractional, hs256_config(), kNow + 10), JwtStatus::kExpired);
}

TEST(Jwt, RefusesATokenThatNeverExpires) {
  EXPECT_EQ(status_of(hs256(R"({"sub":"acme"})")), JwtStatus::kNoExpiry);
  for (const char* expiry : {R"("9999999999")", "null", "true", "[]", "{}"}) {
    const std::string payload = std::string(R"({"sub":"acme","exp":)") + expiry + "}";
    EXPECT_EQ(status_of(hs256(payload)), JwtStatus::kNoExpiry) << expiry;
  }
}

TEST(Jwt, SurvivesDatesOfAnySize) {
  EXPECT_EQ(status_of(hs256(R"({"sub":"acme","exp":1e300})")), JwtStatus::kValid);
  EXPECT_EQ(status_of(hs256(R"({"sub":"acme","exp":-1e300})")), JwtStatus::kExpired);
  EXPECT_EQ(status_of(hs256(R"({"sub":"acme","exp":9223372036854775807})")), JwtStatus::kValid);
  EXPECT_EQ(status_of(hs256(claims(R"(,"nbf":-9223372036854775808)"))), JwtStatus::kValid);
}

TEST(Jwt, IsNotValidBeforeNbfBeyondTheLeeway) {
  const std::string soon = hs256(claims(",\"nbf\":" + in(kNotBeforeLeewayS)));
  EXPECT_EQ(status_of(soon), JwtStatus::kValid);
  EXPECT_EQ(status_of(soon, hs256_config(), kNow - 1), JwtStatus::kNotYetValid);
  EXPECT_EQ(status_of(hs256(claims(R"(,"nbf":"soon")"))), JwtStatus::kMalformed);
}

TEST(Jwt, SaysHowLongEachResultStands) {
  const std::string token = hs256(claims(",\"nbf\":" + in(100)));
  const JwtResult early = verify(token);
  EXPECT_EQ(early.status, JwtStatus::kNotYetValid);
  EXPECT_EQ(early.until_unix_s, kNow + 100 - kNotBeforeLeewayS);
  const JwtResult valid = verify(token, hs256_config(), kNow + 100);
  EXPECT_EQ(valid.status, JwtStatus::kValid);
  EXPECT_EQ(valid.from_unix_s, kNow + 100 - kNotBeforeLeewayS);
  EXPECT_EQ(valid.until_unix_s, kNow + 3600);
  const JwtResult late = verify(token, hs256_config(), kNow + 4000);
  EXPECT_EQ(late.status, JwtStatus::kExpired);
  EXPECT_EQ(late.from_unix_s, kNow + 3600);
  EXPECT_EQ(late.until_unix_s, std::numeric_limits<int64_t>::max());
}

TEST(Jwt, ChecksTheIssuerWhenOneIsConfigured) {
  policy::Jwt config = hs256_config();
  config.issuer = "https://issuer.example";
  EXPECT_EQ(status_of(hs256(claims(R"(,"iss":"https://issuer.example")")), config),
            JwtStatus::kValid);
  for (const char* wrong : {"", R"(,"iss":"https://issuer.example/")", R"(,"iss":5)",
                            R"(,"iss":["https://issuer.example"])"}) {
    EXPECT_EQ(status_of(hs256(claims(wrong)), config), JwtStatus::kWrongIssuer) << wrong;
  }
}

TEST(Jwt, ChecksTheAudienceWhenOneIsConfigured) {
  policy::Jwt config = hs256_config();
  config.audience = "the \"api\" /ö";
  for (const char* right : {R"(,"aud":"the \"api\" /ö")", R"(,"aud":["the \"api\" \/ö"])",
                            R"(,"aud":["a","the \u0022api\u0022 /\u00f6","b"])"}) {
    EXPECT_EQ(status_of(hs256(claims(right)), config), JwtStatus::kValid) << right;
  }
  for (const char* wrong :
       {"", R"(,"aud":"other")", R"(,"aud":[])", R"(,"aud":["a","b"])", R"(,"aud":7)",
        R"(,"aud":["a",["the \"api\" /ö"]])", R"(,"aud":{"the \"api\" /ö":1})", R"(,"aud":null)",
        R"(,"aud":["x","the \"api\" /ö",1])", R"(,"aud":"[\"the \\\"api\\\" /ö\"]")"}) {
    EXPECT_EQ(status_of(hs256(claims(wrong)), config), JwtStatus::kWrongAudience) << wrong;
  }
}

TEST(Jwt, AnAudienceThatJsonCannotHoldMatchesNothing) {
  policy::Jwt config = hs256_config();
  config.audience = "\xff\xfe";
  EXPECT_EQ(status_of(hs256(claims()), config), JwtStatus::kWrongAudience);
}

TEST(Jwt, RefusesATokenThatNamesNoConsumer) {
  const std::string exp = R"("exp":)" + in(60);
  for (std::string payload :
       {std::string(), std::string(R"("sub":"",)"), std::string(R"("sub":null,)"),
        std::string(R"("sub":7,)"), std::string(R"("sub":["acme"],)"),
        std::string(R"("sub":"a\nb",)"), std::string(R"("sub":"a\u007f",)"),
        R"("sub":")" + std::string(129, 'a') + R"(",)"}) {
    payload.insert(0, "{").append(exp).append("}");
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, kHeader, payload)), JwtStatus::kNoConsumer)
        << payload;
  }
  EXPECT_EQ(status_of(hs256(R"({"sub":")" + std::string(128, 'a') + R"(",)" + exp + "}")),
            JwtStatus::kValid);
}

TEST(Jwt, RefusesWhatIsNoToken) {
  const std::string good = hs256(claims());
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("..."),
        std::string("garbage"), std::string("a.b"), std::string("a.b.c"), good + ".x", good + "=",
        " " + good, good + "\n", good + std::string(1, '\0'), "+/" + good,
        std::string("\xff\xfe.\x80.\x80")}) {
    EXPECT_EQ(status_of(bad), JwtStatus::kMalformed) << bad;
  }
}

TEST(Jwt, RefusesEveryTruncation) {
  const std::string good = hs256(claims());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(status_of(good.substr(0, size)), JwtStatus::kValid) << size;
  }
}

TEST(Jwt, RefusesATokenThatIsTooLong) {
  const auto token_of_size = [](size_t payload_bytes) {
    return hs256(claims(R"(,"pad":")" + std::string(payload_bytes, 'x') + "\""));
  };
  const std::string long_one = token_of_size(5900);
  ASSERT_LE(long_one.size(), kMaxTokenBytes);
  EXPECT_EQ(status_of(long_one), JwtStatus::kValid);
  const std::string too_long = token_of_size(6200);
  ASSERT_GT(too_long.size(), kMaxTokenBytes);
  EXPECT_EQ(status_of(too_long), JwtStatus::kMalformed);
}

TEST(Jwt, RefusesDeepJson) {
  for (const char* bracket : {"[", R"({"a":)"}) {
    std::string deep;
    while (deep.size() < 4000) deep += bracket;
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, R"({"alg":"HS256","x":)" + deep, claims())),
              JwtStatus::kMalformed);
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, kHeader, R"({"sub":"acme","x":)" + deep)),
              JwtStatus::kMalformed);
  }
}

TEST(Jwt, RefusesJsonThatIsBrokenOrNoObjectOrSaysAThingTwice) {
  const std::string exp = R"("exp":)" + in(60);
  for (const std::string& payload :
       {std::string(), std::string("null"), std::string("[]"), std::string("\"acme\""),
        claims().substr(1), claims() + "x", R"({"sub":"a","sub":"b",)" + exp + "}",
        R"({"sub":"a\u0000b",)" + exp + "}", "{\"sub\":\"\xff\"," + exp + "}",
        claims() + std::string("\0{}", 3)}) {
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, kHeader, payload)), JwtStatus::kMalformed)
        << payload;
  }
  for (const std::string& header :
       {std::string("null"), std::string("HS256"), std::string(R"({"alg":"none","alg":"HS256"})"),
        kHeader + std::string("\0x", 2)}) {
    EXPECT_EQ(status_of(test::raw_hs256(kSecret, header, claims())), JwtStatus::kMalformed)
        << header;
  }
}

TEST(Jwt, RefusesAHeaderThatMustBeUnderstoodAndIsNot) {
  const std::string header = R"({"alg":"HS256","crit":["b64"],"b64":false})";
  EXPECT_EQ(status_of(test::raw_hs256(kSecret, header, claims())), JwtStatus::kMalformed);
}

TEST(Jwt, HasASentenceForEachStatusAndNoneShowsTheToken) {
  std::map<std::string_view, int> seen;
  for (int i = 0; i <= static_cast<int>(JwtStatus::kNoConsumer); ++i) {
    const std::string_view sentence = to_string(static_cast<JwtStatus>(i));
    EXPECT_EQ(sentence.substr(0, 4), "the ");
    EXPECT_EQ(++seen[sentence], 1);
  }
}

RC_GTEST_PROP(JwtProperty, ArbitraryBytesAreNeverValid, (const std::string& bytes)) {
  static const JwtVerifier verifier(hs256_config());
  RC_ASSERT(verifier.verify(bytes, kNow).status != JwtStatus::kValid);
}

RC_GTEST_PROP(JwtProperty, ArbitraryHeadersAndPayloadsInTheRightFormNeverCrash,
              (const std::string& header, const std::string& payload)) {
  static const JwtVerifier verifier(hs256_config());
  verifier.verify(test::raw_hs256(kSecret, header, payload), kNow);
  verifier.verify(test::raw_hs256(kSecret, kHeader, payload), kNow);
  verifier.verify(test::raw_hs256(kSecret, kHeader, claims(",\"aud\":" + payload)), kNow);
}

RC_GTEST_PROP(JwtProperty, OneChangedCharacterMakesATokenInvalid, ()) {
  static const JwtVerifier verifier(hs256_config());
  static const std::string good = hs256(claims());
  std::string changed = good;
  // The last character carries bits that belong to no byte, so changing it may change nothing.
  const auto at = *rc::gen::inRange<size_t>(0, good.size() - 1);
  changed[at] = *rc::gen::arbitrary<char>();
  RC_PRE(changed != good);
  RC_ASSERT(verifier.verify(changed, kNow).status != JwtStatus::kValid);
}

}  // namespace
}  // namespace quota::identity
