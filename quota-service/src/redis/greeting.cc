#include "redis/greeting.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "redis/protocol.h"

namespace quota::redis {
namespace {

absl::Status refused(std::string_view what, const redisReply& reply, const Url& url) {
  return absl::UnavailableError(
      fmt::format("{} was refused: {}", what, without_secret(text_of(reply), url.password)));
}

bool has_credentials(const Url& url) { return !url.user.empty() || !url.password.empty(); }

void send_auth(Connection& connection, const Url& url, OnReply on_reply) {
  if (url.user.empty()) {
    connection.ask({"AUTH", url.password}, std::move(on_reply));
  } else {
    connection.ask({"AUTH", url.user, url.password}, std::move(on_reply));
  }
}

// The answers to what was sent at once; the first refusal is what counts.
struct Greeting {
  Url url;
  absl::Status status;
  std::function<void(absl::StatusOr<ServerFacts>)> done;

  OnReply expect(const std::shared_ptr<Greeting>& self, std::string what) {
    return [self, what = std::move(what)](const redisReply* reply) {
      if (reply == nullptr || !is_error(*reply) || !self->status.ok()) return;
      self->status = refused(what, *reply, self->url);
    };
  }
};

ServerFacts facts_of(std::string_view info) {
  ServerFacts facts;
  facts.run_id = info_field(info, "run_id");
  facts.role = info_field(info, "role");
  facts.maxmemory_policy = info_field(info, "maxmemory_policy");
  facts.loading = info_field(info, "loading") == "1";
  return facts;
}

}  // namespace

void greet_server(Connection& connection, const ClientOptions& options,
                  std::function<void(absl::StatusOr<ServerFacts>)> done) {
  const auto greeting = std::make_shared<Greeting>();
  greeting->url = options.url;
  greeting->done = std::move(done);
  if (has_credentials(options.url)) {
    send_auth(connection, options.url, greeting->expect(greeting, "AUTH"));
  }
  // A user may lack the right to it, and nothing depends on it.
  if (!options.name.empty()) connection.ask({"CLIENT", "SETNAME", options.name}, nullptr);
  if (options.url.database != 0) {
    connection.ask({"SELECT", std::to_string(options.url.database)},
                   greeting->expect(greeting, fmt::format("SELECT {}", options.url.database)));
  }
  // All that is needed stands in the default sections, and not each user may CONFIG GET.
  connection.ask({"INFO"}, [greeting](const redisReply* reply) {
    if (reply == nullptr) return;
    if (is_error(*reply) && greeting->status.ok()) {
      greeting->status = refused("INFO", *reply, greeting->url);
    }
    if (!greeting->status.ok()) return greeting->done(greeting->status);
    ServerFacts facts = facts_of(text_of(*reply));
    if (facts.run_id.empty() || facts.role.empty()) {
      return greeting->done(absl::UnavailableError("INFO gives neither run_id nor role"));
    }
    greeting->done(std::move(facts));
  });
}

void authenticate(Connection& connection, const ClientOptions& options, bool only_if_wanted,
                  std::function<void(absl::Status)> done) {
  if (!has_credentials(options.url)) return done(absl::OkStatus());
  const auto shared_done = std::make_shared<std::function<void(absl::Status)>>(std::move(done));
  const auto auth = [&connection, url = options.url, shared_done] {
    send_auth(connection, url, [url, shared_done](const redisReply* reply) {
      if (reply == nullptr) return;
      (*shared_done)(is_error(*reply) ? refused("AUTH", *reply, url) : absl::OkStatus());
    });
  };
  if (!only_if_wanted) return auth();
  connection.ask({"PING"}, [auth, shared_done](const redisReply* reply) {
    if (reply == nullptr) return;
    if (is_error(*reply) && error_code(text_of(*reply)) == "NOAUTH") return auth();
    (*shared_done)(absl::OkStatus());
  });
}

}  // namespace quota::redis
