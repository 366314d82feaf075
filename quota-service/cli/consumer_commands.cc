#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "base/sha256.h"
#include "cli/admin_client.h"
#include "cli/amounts.h"
#include "cli/api_key.h"
#include "cli/session.h"
#include "cli/table.h"

namespace quota::cli {
namespace {

struct ConsumerOptions {
  std::string id;
  std::string key_id;
  std::optional<std::string> tier;
  std::optional<int> billing_day;
  std::optional<int64_t> minute;
  std::optional<int64_t> month;

  Json changes() const {
    Json body = Json::object();
    if (tier) body["tier"] = *tier;
    if (billing_day) body["billing_day"] = *billing_day;
    if (minute) body["overrides"]["requests_per_minute"] = *minute;
    if (month) body["overrides"]["monthly_quota"] = *month;
    return body;
  }
};

std::string path_of(const std::string& id) { return "/v1/consumers/" + percent_encode(id); }

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "-" : value.dump();
}

std::string overrides_text(const Json& overrides) {
  std::string text;
  for (const auto& [name, value] : overrides.items()) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, amount(value));
  }
  return text.empty() ? "-" : text;
}

std::string keys_text(const Json& keys) {
  std::string text;
  for (const Json& key : keys) {
    text += (text.empty() ? "" : " ") + text_of(key.at("id"));
  }
  return text.empty() ? "-" : text;
}

void print_consumers(const Json& consumers) {
  Table table({"ID", "TIER", "BILLING DAY", "OVERRIDES", "KEYS", "DEFINED IN"});
  for (const Json& consumer : consumers) {
    table.add({text_of(consumer.at("id")), text_of(consumer.at("tier")),
               text_of(consumer.at("billing_day")), overrides_text(consumer.at("overrides")),
               keys_text(consumer.at("api_keys")), text_of(consumer.at("source"))});
  }
  fmt::print("{}", table.to_string());
}

// The key is made here and only its digest leaves this process: quotad never sees the key.
absl::StatusOr<ExitCode> give_key(const Session& session, const AdminClient& client,
                                  const ConsumerOptions& options) {
  const auto key = generate_api_key();
  if (!key.ok()) return key.status();
  Json body = options.changes();
  body["add_key_sha256"] = Json::array({to_hex(sha256(*key))});
  const auto consumer = client.put(path_of(options.id), body);
  if (!consumer.ok()) return consumer.status();
  if (session.json) {
    print_json({{"consumer", *consumer}, {"api_key", *key}});
  } else {
    print_consumers(Json::array({*consumer}));
    fmt::print("\nAPI key, shown only this once: {}\n", *key);
  }
  return kOk;
}

absl::StatusOr<ExitCode> add(const Session& session, const ConsumerOptions& options) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  const auto known = client->get(path_of(options.id));
  if (known.ok()) {
    return absl::AlreadyExistsError(
        fmt::format("consumer {} exists; consumer add-key gives it another key, set-tier another "
                    "tier",
                    options.id));
  }
  if (!absl::IsNotFound(known.status())) return known.status();
  return give_key(session, *client, options);
}

absl::StatusOr<ExitCode> add_key(const Session& session, const ConsumerOptions& options) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  if (const auto known = client->get(path_of(options.id)); !known.ok()) return known.status();
  return give_key(session, *client, options);
}

absl::StatusOr<ExitCode> set_tier(const Session& session, const ConsumerOptions& options) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  // A PUT would make a consumer of a mistyped id.
  if (const auto known = client->get(path_of(options.id)); !known.ok()) return known.status();
  const auto consumer = client->put(path_of(options.id), options.changes());
  if (!consumer.ok()) return consumer.status();
  if (session.json) {
    print_json(*consumer);
  } else {
    print_consumers(Json::array({*consumer}));
  }
  return kOk;
}

absl::StatusOr<ExitCode> list(const Session& session) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  Json consumers = Json::array();
  for (std::string query;;) {
    auto page = client->get("/v1/consumers" + query);
    if (!page.ok()) return page.status();
    for (Json& consumer : page->at("consumers")) consumers.push_back(std::move(consumer));
    if (page->at("next").is_null()) break;
    query = "?after=" + percent_encode(page->at("next").get<std::string>());
  }
  if (session.json) {
    print_json(consumers);
  } else {
    print_consumers(consumers);
  }
  return kOk;
}

absl::StatusOr<ExitCode> revoke(const Session& session, const ConsumerOptions& options) {
  const auto client = AdminClient::open(session);
  if (!client.ok()) return client.status();
  if (options.key_id.empty()) {
    const absl::Status removed = client->remove(path_of(options.id));
    if (!removed.ok()) return removed;
    if (session.json) {
      print_json({{"id", options.id}, {"removed", true}});
    } else {
      fmt::print("consumer {} and all of its keys are gone\n", options.id);
    }
    return kOk;
  }
  if (const auto known = client->get(path_of(options.id)); !known.ok()) return known.status();
  const auto consumer =
      client->put(path_of(options.id), {{"remove_key_ids", Json::array({options.key_id})}});
  if (!consumer.ok()) return consumer.status();
  if (session.json) {
    print_json(*consumer);
  } else {
    fmt::print("key {} of consumer {} is gone\n", options.key_id, options.id);
  }
  return kOk;
}

void add_id(CLI::App& command, ConsumerOptions& options) {
  command.add_option("CONSUMER", options.id, "its id")->required()->type_name("");
}

}  // namespace

void add_consumer_commands(CLI::App& app, Session& session) {
  const auto options = std::make_shared<ConsumerOptions>();
  const auto chosen = [&session, options](auto run) {
    return [&session, options, run] {
      session.command = [&session, options, run] { return run(session, *options); };
    };
  };

  CLI::App* const tier = app.add_subcommand("set-tier", "move a consumer to another tier");
  add_id(*tier, *options);
  tier->add_option("TIER", options->tier, "a tier of the policy")->required()->type_name("");
  tier->callback(chosen(set_tier));

  CLI::App* const group = app.add_subcommand("consumer", "manage the consumers in the store");
  group->require_subcommand(1);
  CLI::App* const fresh = group->add_subcommand("add", "add a consumer and make it an API key");
  add_id(*fresh, *options);
  fresh->add_option("--tier", options->tier, "its tier [default_tier of the policy]");
  fresh->add_option("--billing-day", options->billing_day, "day on which its month begins [1]");
  fresh->add_option("--requests-per-minute", options->minute, "instead of what the tier says");
  fresh->add_option("--monthly-quota", options->month, "instead of what the tier says");
  fresh->callback(chosen(add));

  CLI::App* const key = group->add_subcommand("add-key", "make another API key for a consumer");
  add_id(*key, *options);
  key->callback(chosen(add_key));

  group->add_subcommand("list", "list consumers")->callback([&session] {
    session.command = [&session] { return list(session); };
  });

  CLI::App* const gone = group->add_subcommand("revoke", "remove a consumer, or one of its keys");
  add_id(*gone, *options);
  gone->add_option("--key", options->key_id, "only the key of this id")->type_name("KEYID");
  gone->callback(chosen(revoke));
}

}  // namespace quota::cli
