"""Quota and tiers: who is let through, who is refused and why, and what quotad knows and keeps."""

from panels import GREEN, RED, YELLOW, Dashboard, gauge, quantiles, rate, share, variable

DECISIONS = "quota_decisions_total"
TIER = 'tier=~"$tier"'
DENIED = 'outcome="denied"'
# What mode shadow lets pass keeps the reason of its denial.
WOULD_BE_DENIED = 'outcome="allowed"', 'reason!~"ok|unlimited|off"'


def _decisions(*matchers, by=()):
    return rate(DECISIONS, TIER, *matchers, by=by)


def _overview(board):
    board.row("Now")
    board.stat("Decisions", "Of all selected quotads and tiers.", "reqps",
               [(_decisions(), "decisions")])
    board.stat("Denied", "Share of decisions that a limit has refused.", "percentunit",
               [(share(_decisions(DENIED), _decisions(), of_none=True), "denied")],
               thresholds=((0.1, YELLOW), (0.5, RED)), alerts=("HighRateLimitRejections",))
    board.stat("Mode", "What quotads do with denials, and who says so. An override is made with "
               "quotactl mode.", "none",
               [(f"count by (mode, source) ({gauge('quota_mode_info')})", "{{mode}} ({{source}})")],
               text="name", alerts=("QuotaNotEnforcing",))
    board.stat("Policies in force", "More than one for longer than a roll-out takes means that "
               "some quotad has missed a change.", "none",
               [(f"count(count by (hash) ({gauge('quota_policy_info')}))", "policies")],
               thresholds=((2, YELLOW),), alerts=("QuotaPolicyRejected",))
    board.stat("Rejected policies", "quotads whose newest policy.yaml is wrong; the last good one "
               "is in force.", "none",
               [(f"sum({gauge('quota_policy_stale')})", "quotads")], thresholds=((1, YELLOW),),
               alerts=("QuotaPolicyRejected",))
    board.stat("Degraded", "quotads that decide without their store.", "none",
               [(f"sum({gauge('quota_degraded')})", "quotads")], thresholds=((1, YELLOW),),
               alerts=("QuotaDegraded",))


def _tiers(board):
    board.row("Tiers")
    board.series("Decisions by tier", "anonymous: clients that are known by their address only.",
                 "reqps", [(_decisions(by=("tier",)), "{{tier}}")], stacked=True)
    board.series("Denied share by tier", "A tier whose clients are often refused may be sold too "
                 "small, or one client asks too much: see quotactl top.", "percentunit",
                 [(share(_decisions(DENIED, by=("tier",)), _decisions(by=("tier",))), "{{tier}}")],
                 alerts=("HighRateLimitRejections",))
    board.series("Decisions by outcome", "exempt: the endpoint costs nothing. unauthenticated: "
                 "unknown credentials, and the policy rejects those.", "reqps",
                 [(_decisions(by=("outcome",)), "{{outcome}}")], stacked=True)
    board.series("Denials by reason", "minute and month: the limit that refused. capacity: no room "
                 "for another subject. store_unavailable: store_lost is deny.", "reqps",
                 [(_decisions(DENIED, by=("reason",)), "{{reason}}")], stacked=True,
                 alerts=("HighRateLimitRejections",))
    board.series("Endpoints", "The ten rules of the policy that are asked for most.", "reqps",
                 [(f"topk(10, {_decisions(by=('endpoint',))})", "{{endpoint}}")], stacked=True)
    board.series("Would be denied", "Denials that mode shadow has let pass.", "reqps",
                 [(_decisions(*WOULD_BE_DENIED, by=("tier", "reason")), "{{tier}} {{reason}}")],
                 alerts=("QuotaNotEnforcing",))


def _months(board):
    board.row("Months")
    board.bars("Consumers that reached a threshold", "Within the time shown. month_80 and "
               "month_100: of the monthly quota, told once per consumer and month. first_denial: "
               "refused after ten quiet minutes.", "none",
               [("sum by (kind) (increase("
                 f"{gauge('quota_thresholds_total')}[$__range]))", "{{kind}}")],
               alerts=("ConsumerNearMonthlyQuota",))
    board.series("Webhooks", "Calls that tell of thresholds. dropped: the queue was full.", "ops",
                 [(rate("quota_webhook_requests_total", by=("result",)), "{{result}}")],
                 alerts=("ConsumerNearMonthlyQuota",))


def _subjects(board):
    board.row("Subjects in memory")
    board.series("Subjects", "At max_subjects or max_anonymous newcomers are refused with reason "
                 "capacity.", "none",
                 [(f"sum by (instance, kind) ({gauge('quota_subjects')})",
                   "{{instance}} {{kind}}")])
    board.series("Forgotten and refused", "Idle subjects that made room, and checks refused "
                 "because nobody could be forgotten.", "ops",
                 [(rate("quota_subjects_evicted_total"), "forgotten"),
                  (rate("quota_subjects_refused_total"), "refused for capacity")])


def _store(board):
    board.row("Store and leases")
    board.states("Store", "Whether the store answers: the disk of an embedded one, or Redis.",
                 [(gauge("quota_store_up"), "{{instance}}")],
                 meaning=(("down", RED), ("up", GREEN)), height=8,
                 alerts=("QuotaDegraded", "RateLimitingRedisDown"))
    board.series("Checks that wait for the store", "Busy subjects ask ahead and never wait.",
                 "none", [(gauge("quota_waiting_checks"), "{{instance}}")],
                 alerts=("QuotaDecisionSlow", "QuotaDegraded"))
    board.series("Store requests", "By what was asked, and how it went. lease, settle and connect: "
                 "Redis. record and write: the embedded store.", "ops",
                 [(rate("quota_store_requests_total", by=("op", "result")), "{{op}} {{result}}")])
    board.series("Lease calls to Redis", "From sending a call to its answer.", "s",
                 quantiles("quota_store_request_duration_seconds"),
                 alerts=("QuotaDegraded", "QuotaDecisionSlow", "RateLimitingRedisDown"))
    board.series("Lease calls per decision", "How much of the load reaches Redis.", "none",
                 [(share(rate("quota_store_requests_total", _LEASE), rate(DECISIONS)),
                   "calls per decision")])
    board.series("Leased tokens", "Cost units of minute buckets: held, leased and not spent; owed, "
                 "spent on credit and not told yet.", "none",
                 [(f"sum by (state) ({gauge('quota_lease_tokens')})", "{{state}}")],
                 alerts=("QuotaDegraded",))


_LEASE = 'op="lease"'


def _policy(board):
    board.row("Policy and mode")
    board.series("Policy loads", "rejected: the file is wrong, the last good policy stays.", "none",
                 [("sum by (result) (increase("
                   f"{gauge('quota_policy_loads_total')}[$__rate_interval]))", "{{result}}")],
                 alerts=("QuotaPolicyRejected",), width=8)
    board.table("Policies", "Which policy is in force where; compare with quotactl validate.",
                gauge("quota_policy_info"), ("instance", "hash"), width=8, height=8,
                alerts=("QuotaPolicyRejected",))
    board.table("Versions", "Which quotad runs where.", gauge("quota_build_info"),
                ("instance", "version"), width=8, height=8)


def _usage(board):
    board.row("Usage and events")
    board.series("Decision events", "dropped: a queue was full. failed: a sink refused. capped: "
                 "denials beyond the rate that is written, by intent.", "ops",
                 [(rate("quota_events_total", by=("result",)), "{{result}}")],
                 alerts=("QuotaEventsDropped",))
    board.series("Usage", "Flushes of usage to the store.", "ops",
                 [(rate("quota_usage_flush_total", by=("result",)), "flush {{result}}")], width=6,
                 alerts=("QuotaUsageNotStored",))
    board.series("Usage not yet stored", "Rows that wait; they are written when the store is back.",
                 "none", [(gauge("quota_usage_pending"), "{{instance}}")], width=6,
                 alerts=("QuotaUsageNotStored",))


def dashboard():
    board = Dashboard("quotagate-quota", "Quota and tiers",
                      "What quotad decides, by tier, endpoint and reason; and its store.",
                      variables=[variable("tier", "Tier",
                                          'label_values(quota_decisions_total{job=~"$job"}, tier)',
                                          all_value=".*")])
    for part in (_overview, _tiers, _months, _subjects, _store, _policy, _usage):
        part(board)
    return board.document()
