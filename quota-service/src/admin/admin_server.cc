#include "admin/admin_server.h"

#include <utility>

#include "admin/consumers.h"
#include "admin/events_view.h"
#include "admin/explain.h"
#include "admin/hosts.h"
#include "admin/http_server.h"
#include "admin/page.h"
#include "admin/policy_view.h"
#include "admin/router.h"
#include "admin/texts.h"
#include "admin/top_view.h"
#include "admin/usage_view.h"

namespace quota::admin {

class AdminServer::Impl {
 public:
  Impl(AdminDeps deps, AdminSettings settings)
      : deps_(std::move(deps)),
        settings_(std::move(settings)),
        consumers_(deps_.policy, deps_.directory, deps_.consumers),
        quota_(deps_.policy, deps_.consumers, deps_.engine, deps_.month_used),
        explainer_(deps_.engine, deps_.policy, deps_.directory),
        top_(deps_.top, deps_.engine, deps_.policy, deps_.directory),
        hosts_(settings_.hosts),
        router_(settings_.token),
        server_([this](const Request& request) { return answer(request); }) {
    add_routes();
  }

  absl::Status start() { return server_.start(settings_.host, settings_.port); }
  int port() const { return server_.port(); }
  void stop() { server_.stop(); }

 private:
  Reply answer(const Request& request) const {
    if (auto refusal = hosts_.refuse(request)) return *std::move(refusal);
    return router_.route(request);
  }

  void add_routes() {
    using Id = const std::string&;
    constexpr auto kRead = Router::Access::kRead;
    constexpr auto kWrite = Router::Access::kWrite;
    const auto add = [this](auto... route) { router_.add(std::move(route)...); };

    add("GET", "/", kRead, [this](const Request&, Id) { return page_.get(); });
    add("GET", "/openapi.json", kRead, [](const Request&, Id) { return description(); });
    add("GET", "/metrics", kRead, [this](const Request&, Id) { return metrics(); });
    add("GET", "/metrics.json", kRead,
        [this](const Request&, Id) { return json_reply(deps_.metrics.json()); });
    add("GET", "/healthz", kRead, [](const Request&, Id) {
      return json_reply({{"status", "ok"}});
    });
    add("GET", "/readyz", kRead, [this](const Request&, Id) { return readiness(); });

    add("GET", "/v1/policy", kRead, [this](const Request&, Id) {
      return json_reply(policy_json(*deps_.policy.get(), deps_.policy.stats()));
    });
    add("GET", "/v1/tiers", kRead, [this](const Request&, Id) {
      return json_reply({{"tiers", tiers_json(*deps_.policy.get())}});
    });
    add("GET", "/v1/endpoints", kRead, [this](const Request&, Id) {
      return json_reply({{"endpoints", endpoints_json(*deps_.policy.get())}});
    });
    add("GET", "/v1/mode", kRead, [this](const Request&, Id) { return deps_.mode.get(); });
    add("PUT", "/v1/mode", kWrite,
        [this](const Request& request, Id) { return deps_.mode.put(request); });
    add("POST", "/v1/reload", kWrite, [this](const Request&, Id) { return reload(); });

    add("POST", "/v1/explain", kRead,
        [this](const Request& request, Id) { return explainer_.explain(request); });
    add("GET", "/v1/top", kRead, [this](const Request& request, Id) { return top_.get(request); });
    add("GET", "/v1/quota/{id}", kRead, [this](const Request&, Id id) { return quota_.get(id); });
    add("POST", "/v1/quota/{id}/reset", kWrite,
        [this](const Request&, Id id) { return quota_.reset(id); });

    add("GET", "/v1/usage", kRead,
        [this](const Request& request, Id) { return usage_reply(request, deps_.usage); });

    add("GET", "/v1/consumers", kRead,
        [this](const Request& request, Id) { return consumers_.list(request); });
    add("GET", "/v1/consumers/{id}", kRead,
        [this](const Request&, Id id) { return consumers_.get(id); });
    add("PUT", "/v1/consumers/{id}", kWrite,
        [this](const Request& request, Id id) { return consumers_.put(request, id); });
    add("DELETE", "/v1/consumers/{id}", kWrite,
        [this](const Request&, Id id) { return consumers_.remove(id); });

    if (deps_.events == nullptr) return;
    add("GET", "/v1/events", Router::Access::kPrivate,
        [view = EventsView(*deps_.events, *deps_.renderer)](const Request& request, Id) {
          return view.get(request);
        });
  }

  static Reply description() {
    return {.status = 200,
            .content_type = "application/json",
            .body = std::string(kOpenapiJson),
            .headers = {}};
  }

  Reply metrics() const {
    return {.status = 200,
            .content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = deps_.metrics.text(),
            .headers = {}};
  }

  Reply readiness() const {
    if (deps_.ready.load()) return json_reply({{"status", "ready"}});
    return problem(503, "quotad is starting or about to stop; send requests elsewhere");
  }

  Reply reload() const {
    absl::Status status = deps_.reload();
    if (!status.ok()) return problem(422, std::string(status.message()));
    return json_reply({{"hash", deps_.policy.get()->hash}});
  }

  const AdminDeps deps_;
  const AdminSettings settings_;
  Consumers consumers_;
  QuotaView quota_;
  Explainer explainer_;
  TopView top_;
  const Page page_;
  const Hosts hosts_;
  Router router_;
  HttpServer server_;
};

AdminServer::AdminServer(AdminDeps deps, AdminSettings settings)
    : impl_(std::make_unique<Impl>(std::move(deps), std::move(settings))) {}

AdminServer::~AdminServer() = default;

absl::Status AdminServer::start() { return impl_->start(); }
int AdminServer::port() const { return impl_->port(); }
void AdminServer::stop() { impl_->stop(); }

}  // namespace quota::admin
