#include "policy/jwt_key.h"
#include "policy/sections.h"

namespace quota::policy {
namespace {

void read_trust(const std::vector<YamlNode>& nodes, Identity& identity, Faults& faults) {
  for (const YamlNode& node : nodes) {
    const std::string* word = element_text(node, "an entry of `trust`", faults);
    if (word == nullptr) continue;
    if (*word == "consumer") {
      identity.trust_consumer = true;
    } else if (*word == "tier") {
      identity.trust_tier = true;
    } else {
      faults.add(node.at, Message::kUnknownChoice, "an entry of `trust`", show(*word),
                 hint(*word, {"consumer", "tier"}));
    }
  }
}

Jwt read_jwt(const YamlNode& node, const std::filesystem::path& directory, Faults& faults) {
  const Fields fields(
      node, "identity.jwt",
      {"algorithm", "key_file", "issuer", "audience", "consumer_claim", "tier_claim"}, faults);
  Jwt jwt;
  const auto algorithm = fields.choice<JwtAlgorithm>(
      "algorithm", {{"HS256", JwtAlgorithm::kHs256}, {"RS256", JwtAlgorithm::kRs256}});
  jwt.algorithm = algorithm.value_or(jwt.algorithm);
  jwt.issuer = fields.text("issuer").value_or(jwt.issuer);
  jwt.audience = fields.text("audience").value_or(jwt.audience);
  jwt.consumer_claim = fields.filled_text("consumer_claim").value_or(jwt.consumer_claim);
  jwt.tier_claim = fields.filled_text("tier_claim").value_or(jwt.tier_claim);

  fields.require("key_file");
  const auto key_file = fields.filled_text("key_file");
  // Without knowing the algorithm it cannot be said what key would be right.
  if (key_file && (algorithm || !fields.has("algorithm"))) {
    jwt.key = read_jwt_key(directory / *key_file, jwt.algorithm, fields.at("key_file"), faults);
  }
  return jwt;
}

}  // namespace

void read_identity(const YamlNode& node, Draft& draft, Faults& faults) {
  const Fields fields(node, "identity", {"trust", "unknown_credentials", "jwt"}, faults);
  Identity& identity = draft.policy.identity;
  read_trust(fields.list("trust"), identity, faults);
  identity.unknown_credentials =
      fields
          .choice<UnknownCredentials>("unknown_credentials",
                                      {{"anonymous", UnknownCredentials::kAnonymous},
                                       {"reject", UnknownCredentials::kReject}})
          .value_or(identity.unknown_credentials);
  const YamlNode* jwt = fields.find("jwt");
  if (jwt != nullptr && jwt->kind != YamlNode::Kind::kNull) {
    identity.jwt = read_jwt(*jwt, draft.directory, faults);
  }
  // Consumers that only the gateway or a token knows may come without a tier.
  if (identity.trust_consumer) {
    draft.tier_uses.push_back({"", "identity.trust with consumer", fields.at("trust")});
  }
  if (identity.jwt) draft.tier_uses.push_back({"", "identity.jwt", fields.at("jwt")});
}

}  // namespace quota::policy
