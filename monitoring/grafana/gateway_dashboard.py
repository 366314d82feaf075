"""Gateway health and performance: does it answer, how fast, and what does it stand on."""

from panels import (
    GREEN, RED, YELLOW, Dashboard, alert_names, gauge, quantile, quantiles, rate, share)

UP = (("down", RED), ("up", GREEN))
UNANSWERED = 'outcome=~"error_.*|local_.*"'
CHECKED = "quota_gateway_requests_total"
PROXIED = "kong_http_requests_total"
# The names of the containers in pods of ours and of Kong's charts.
OURS = 'container=~"quotad|nginx|kong|proxy"'


def _overview(board):
    board.row("Now")
    board.stat("Targets down", "Targets of the selected jobs that do not answer Prometheus.",
               "none", [(f"count({gauge('up')} == 0) or vector(0)", "down")],
               thresholds=((1, RED),), alerts=("GatewayDown", "KongDown", "QuotaSidecarDown"))
    board.stat("Requests", "nginx: requests that the module has checked. Kong: requests that Kong "
               "has routed.", "reqps",
               [(rate(CHECKED), "nginx"), (rate(PROXIED), "Kong")], text="value_and_name")
    board.stat("Errors", "nginx: refused with 503 for want of a verdict. Kong: answered with 5xx.",
               "percentunit",
               [(_errors_of_nginx(), "nginx"), (_errors_of_kong(), "Kong")],
               thresholds=((0.01, YELLOW), (0.05, RED)), text="value_and_name",
               alerts=("HighErrorRate",))
    board.stat("Refused by a limit", "Requests that clients were refused, by quotad's verdict or "
               "by the local limit. Yellow above 100 a second.", "reqps",
               [(rate(CHECKED, _outcome("denied|local_denied")), "refused")],
               thresholds=((100, YELLOW),), alerts=("HighRateLimitRejections",))
    board.stat("Latency, p95", "Of whole requests through Kong, upstream included.", "ms",
               [(quantile(0.95, "kong_request_latency_ms"), "p95")],
               thresholds=((250, YELLOW), (500, RED)), alerts=("ProxyLatencyHigh",))
    board.stat("Wait for a verdict, p99", "How long requests in nginx wait for quotad.", "s",
               [(quantile(0.99, "quota_gateway_wait_seconds"), "p99")],
               thresholds=((0.005, YELLOW), (0.02, RED)), alerts=("QuotaDecisionSlow",))
    board.table("Firing alerts", "Alerts of monitoring/prometheus/alerts.yaml that fire, of all "
                "jobs and instances.",
                f'ALERTS{{alertstate="firing", alertname=~"{"|".join(alert_names())}"}}',
                ("alertname", "severity", "job", "instance"), width=24, height=5)


def _outcome(pattern):
    return f'outcome=~"{pattern}"'


def _code(pattern):
    return f'code=~"{pattern}"'


def _errors_of_nginx():
    return share(rate(CHECKED, _outcome("error_denied")), rate(CHECKED), of_none=True)


def _errors_of_kong():
    return share(rate(PROXIED, _code("5..")), rate(PROXIED), of_none=True)


def _requests(board):
    board.row("Requests")
    board.series("Requests by outcome", "What became of the requests that the module has checked. "
                 "error_… and local_… got no verdict.", "reqps",
                 [(rate(CHECKED, by=("outcome",)), "{{outcome}}")], stacked=True,
                 alerts=("GatewayDown", "HighRateLimitRejections"))
    board.series("Responses by status", "What Kong has answered, by HTTP status.", "reqps",
                 [(rate(PROXIED, by=("code",)), "{{code}}")], stacked=True,
                 alerts=("HighErrorRate", "KongDown"))
    board.series("Share of errors", "HighErrorRate fires after five minutes above 5 %.",
                 "percentunit",
                 [(_errors_of_nginx(), "nginx, 503"), (_errors_of_kong(), "Kong, 5xx")],
                 thresholds=((0.05, RED),), alerts=("HighErrorRate",))
    board.series("Refusals by instance", "Requests that a limit has refused. "
                 "HighRateLimitRejections fires above 100 a second of all instances.", "reqps",
                 [(rate(CHECKED, _outcome("denied|local_denied"), by=("instance",)),
                   "{{instance}}"),
                  (rate(PROXIED, _code("429"), by=("instance",)), "{{instance}} (Kong, 429)")],
                 thresholds=((100, YELLOW),), alerts=("HighRateLimitRejections",))


def _latency(board):
    board.row("Latency")
    board.series("Requests through Kong", "From the first byte of a request to the last of its "
                 "answer.", "ms", quantiles("kong_request_latency_ms"), thresholds=((500, RED),),
                 alerts=("ProxyLatencyHigh",))
    board.series("Where Kong's requests spend their time", "95th percentile of Kong with its "
                 "plugins, and of the upstreams. A slow upstream is not the gateway's fault.", "ms",
                 [(quantile(0.95, "kong_kong_latency_ms"), "Kong"),
                  (quantile(0.95, "kong_upstream_latency_ms", by=("service",)),
                   "upstream {{service}}")],
                 alerts=("ProxyLatencyHigh", "UpstreamUnavailable"))
    board.series("Wait for a verdict", "In nginx: from the question to quotad's answer. Requests "
                 "that could not ask are not in it.", "s", quantiles("quota_gateway_wait_seconds"),
                 alerts=("QuotaDecisionSlow", "ProxyLatencyHigh"))
    board.heatmap("Waits for a verdict", "How many requests waited how long.", "s",
                  rate("quota_gateway_wait_seconds_bucket", by=("le",)))
    board.series("Decisions", "In quotad: a check's share of its batch, or its wait for the store. "
                 "QuotaDecisionSlow fires when p99 is above 2 ms.", "s",
                 quantiles("quota_decision_duration_seconds"), thresholds=((0.002, RED),),
                 alerts=("QuotaDecisionSlow", "ProxyLatencyHigh"))
    board.series("Answers of admin APIs", "How long /metrics took, as Prometheus has measured it.",
                 "s", [(gauge("scrape_duration_seconds"), "{{job}} {{instance}}")],
                 thresholds=((1, RED),), alerts=("AdminLatencyHigh",))


def _sidecar(board):
    board.row("Sidecar")
    board.states("quotad, as nginx sees it", "Down when a running worker has lost quotad. A worker "
                 "first looks for it with its first request.",
                 [(gauge("quota_gateway_sidecar_up"), "{{instance}}")], meaning=UP,
                 alerts=("QuotaSidecarDown",))
    board.states("quotad, as Prometheus sees it", "Whether quotad's /metrics answers.",
                 [('up{job="quotad", instance=~"$instance"}', "{{instance}}")], meaning=UP,
                 alerts=("QuotaSidecarDown",))
    board.series("Requests without a verdict", "Their share of all that were checked, by what "
                 "quota_on_error made of them. QuotaDegraded fires above 1 %.", "percentunit",
                 [(f"{rate(CHECKED, UNANSWERED, by=('outcome',))}"
                   f" / on () group_left () ({rate(CHECKED)} > 0)", "{{outcome}}")],
                 thresholds=((0.01, YELLOW),), alerts=("QuotaDegraded", "HighErrorRate"))
    board.series("Late verdicts", "Checks without a verdict within quota_timeout.", "ops",
                 [(rate("quota_gateway_timeouts_total", by=("instance",)), "{{instance}}")],
                 alerts=("QuotaDegraded", "QuotaDecisionSlow"))
    board.series("Checks per message", "Batches grow by themselves under load.", "none",
                 [(share(rate("quota_batch_checks_sum"), rate("quota_batch_checks_count")), "mean"),
                  (quantile(0.95, "quota_batch_checks"), "p95")])
    board.states("Deciding without the store", "Full disk, or Redis away: store_lost applies.",
                 [(gauge("quota_degraded"), "{{instance}}")],
                 meaning=(("with the store", GREEN), ("degraded", YELLOW)), height=8,
                 alerts=("QuotaDegraded",))


def _kong(board):
    board.row("Kong")
    board.states("Database", "Whether each node reaches its database. Always up without one.",
                 [(gauge("kong_datastore_reachable"), "{{instance}}")], meaning=UP,
                 alerts=("KongDatabaseDown",))
    board.series("Targets of upstreams", "By what Kong's health checks think of them.", "none",
                 [("sum by (upstream, state) ("
                   f"{gauge('kong_upstream_target_health')} == 1)", "{{upstream}} {{state}}")],
                 height=6, alerts=("UpstreamUnavailable",))
    board.series("Connections", "Of clients to Kong.", "none",
                 [(f"sum by (state) ({gauge('kong_nginx_connections_total', _OPEN)})",
                   "{{state}}")])
    board.series("Fill of Lua's shared memory", "A dictionary that is full forgets.", "percentunit",
                 [(f"{gauge('kong_memory_lua_shared_dict_bytes')}"
                   f" / {gauge('kong_memory_lua_shared_dict_total_bytes')}",
                   "{{instance}} {{shared_dict}}")], thresholds=((0.9, YELLOW),))


_OPEN = 'state=~"active|reading|writing|waiting"'


def _redis(board):
    board.row("Redis")
    board.states("Redis", "Whether the exporter reaches its Redis.",
                 [(gauge("redis_up"), "{{instance}}")], meaning=UP,
                 alerts=("RateLimitingRedisDown",))
    board.series("Memory of Redis", "Redis must not evict: when it is full, it refuses to keep "
                 "buckets, and store_lost applies.", "bytes",
                 [(gauge("redis_memory_used_bytes"), "{{instance}} used"),
                  (f"{gauge('redis_memory_max_bytes')} > 0", "{{instance}} maxmemory")], height=6,
                 alerts=("RateLimitingRedisDown",))
    board.series("Commands", "The ten most frequent.", "ops",
                 [(f"topk(10, {rate('redis_commands_total', by=('cmd',))})", "{{cmd}}")])
    board.series("Redis' own time for a command", "Mean, of the ten slowest.", "s",
                 [(f"topk(10, {rate('redis_commands_duration_seconds_total', by=('cmd',))}"
                   f" / {rate('redis_commands_total', by=('cmd',))})", "{{cmd}}")])


def _pods(board):
    board.row("Pods (Kubernetes)")
    board.series("CPU", "Cores used by containers of gateway pods.", "none",
                 [(_pods_rate("container_cpu_usage_seconds_total"), "{{pod}} {{container}}")],
                 alerts=("ProxyLatencyHigh", "AdminLatencyHigh"))
    board.series("Throttled", "Share of periods in which a CPU limit has stopped the container. "
                 "Verdicts come late then.", "percentunit",
                 [(f"{_pods_rate('container_cpu_cfs_throttled_periods_total')}"
                   f" / {_pods_rate('container_cpu_cfs_periods_total')}", "{{pod}} {{container}}")],
                 thresholds=((0.05, YELLOW),),
                 alerts=("QuotaDecisionSlow", "ProxyLatencyHigh", "AdminLatencyHigh"))
    board.series("Memory of containers", "Working set of containers of gateway pods.", "bytes",
                 [(f"sum by (pod, container) (container_memory_working_set_bytes{{{OURS}}})",
                   "{{pod}} {{container}}")])
    board.series("Restarts", "Of containers of gateway pods.", "none",
                 [("sum by (pod, container) (increase("
                   f"kube_pod_container_status_restarts_total{{{OURS}}}[$__rate_interval]))",
                   "{{pod}} {{container}}")], alerts=("QuotaSidecarDown",))


def _pods_rate(metric):
    return f"sum by (pod, container) (rate({metric}{{{OURS}}}[$__rate_interval]))"


def dashboard():
    board = Dashboard("quotagate-gateway", "Gateway health and performance",
                      "nginx or Kong with the quota module, quotad beside it, and Redis.")
    for part in (_overview, _requests, _latency, _sidecar, _kong, _redis, _pods):
        part(board)
    return board.document()
