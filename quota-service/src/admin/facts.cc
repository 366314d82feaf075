#include "admin/facts.h"

#include "admin/fields.h"
#include "base/ip.h"

namespace quota::admin {
namespace {

constexpr int64_t kMostHits = 1'000'000;

absl::Status read_texts(const Json& body, Facts& facts) {
  const std::pair<std::string_view, std::string*> texts[] = {
      {"method", &facts.method},   {"path", &facts.path},         {"client_ip", &facts.client_ip},
      {"api_key", &facts.api_key}, {"consumer", &facts.consumer}, {"tier", &facts.tier},
      {"bearer", &facts.bearer}};
  for (const auto& [name, target] : texts) {
    auto text = text_field(body, name);
    if (!text.ok()) return text.status();
    *target = *std::move(text);
  }
  return absl::OkStatus();
}

absl::Status read_attributes(const Json& body, Facts& facts) {
  const auto found = body.find("attributes");
  if (found == body.end()) return absl::OkStatus();
  if (!found->is_object()) return bad_request("attributes must be a JSON object");
  for (const auto& [name, value] : found->items()) {
    if (!value.is_string()) return bad_request("each of the attributes must be a text");
    facts.attributes.emplace_back(name, value.get<std::string>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Facts> parse_facts(const std::string& body) {
  const auto json = parse_object(body, {"method", "path", "client_ip", "api_key", "bearer",
                                        "consumer", "tier", "attributes", "hits"});
  if (!json.ok()) return json.status();
  Facts facts;
  absl::Status status = read_texts(*json, facts);
  if (status.ok()) status = read_attributes(*json, facts);
  if (!status.ok()) return status;
  if (facts.method.empty()) facts.method = "GET";
  if (!facts.path.starts_with('/')) {
    return bad_request("path must be the path of the request, such as /identify");
  }
  if (!facts.client_ip.empty()) {
    const auto address = IpAddress::parse(facts.client_ip);
    if (!address) return bad_request("client_ip must be an IPv4 or IPv6 address");
    facts.client_ip = address->bytes();
  }
  if (json->contains("hits")) {
    const auto hits = whole_field(*json, "hits", 1, kMostHits);
    if (!hits.ok()) return hits.status();
    facts.hits = static_cast<uint32_t>(*hits);
  }
  return facts;
}

identity::Check Facts::check() const {
  identity::Check check;
  check.method = method;
  check.path = path;
  check.client_ip = client_ip;
  check.api_key = api_key;
  check.consumer = consumer;
  check.tier = tier;
  check.bearer = bearer;
  for (const auto& [name, value] : attributes) check.attributes.push_back({name, value});
  check.hits = hits;
  check.peek = true;
  return check;
}

}  // namespace quota::admin
