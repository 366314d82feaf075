"use strict";
// Asks quotad once a second and shows what it says. Everything that comes from there is shown as
// text: names of consumers and tiers are whatever somebody made them.
(() => {
  const HISTORY_MS = 300_000;
  const INTERVAL_MS = 1000;
  const PATIENCE_MS = 4000;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  // ---- numbers as text

  const whole = new Intl.NumberFormat("en");
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const short = (value) => (value < 10_000 ? whole : compact).format(value);
  const amount = (value) => {
    if (value >= 100) return short(Math.round(value));
    return value === 0 ? "0" : value.toFixed(value < 10 ? 1 : 0);
  };
  const seconds = (value) => {
    if (value === null) return "–";
    if (value < 1e-3) return `${(value * 1e6).toPrecision(2).replace(/\.0$/, "")} µs`;
    return value < 1 ? `${(value * 1e3).toPrecision(2)} ms` : `${value.toFixed(1)} s`;
  };
  const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

  const say = (id, text) => {
    const element = byId(id);
    if (element.textContent !== text) element.textContent = text;
  };
  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const draw = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // ---- counters into rates

  // The samples of a family; [] when there is no such family.
  const samplesOf = (metrics, name) =>
    metrics.families.find((family) => family.name === name)?.samples ?? [];
  const valueOf = (metrics, name, labels = {}) => {
    const found = samplesOf(metrics, name).find((sample) =>
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value));
    return found ? found.value : null;
  };

  // Sums over everything but the tier.
  const countDecisions = (metrics, at) => {
    const counts = { at, all: 0, denied: 0, tiers: new Map(), times: null };
    for (const { labels, value } of samplesOf(metrics, "quota_decisions_total")) {
      const isDenied = labels.outcome === "denied" || labels.outcome === "unauthenticated";
      const tier = counts.tiers.get(labels.tier) ?? { all: 0, denied: 0 };
      tier.all += value;
      counts.all += value;
      if (isDenied) {
        tier.denied += value;
        counts.denied += value;
      }
      counts.tiers.set(labels.tier, tier);
    }
    counts.times = samplesOf(metrics, "quota_decision_duration_seconds")[0] ?? null;
    return counts;
  };

  // What happened between two counts, per second; null after a restart or a long pause.
  const rateBetween = (before, now) => {
    const time = (now.at - before.at) / 1000;
    if (time <= 0 || time > 5 || now.all < before.all) return null;
    const tiers = new Map();
    for (const [name, tier] of now.tiers) {
      const was = before.tiers.get(name) ?? { all: 0, denied: 0 };
      tiers.set(name, { all: (tier.all - was.all) / time, denied: (tier.denied - was.denied) / time });
    }
    return { at: now.at, all: (now.all - before.all) / time,
             denied: (now.denied - before.denied) / time, tiers };
  };

  // Within the bucket that holds it, as if its values were spread evenly.
  const quantile = (before, now, part) => {
    if (!now) return null;
    const countAt = (histogram, i) => histogram?.buckets[i]?.count ?? 0;
    const total = now.count - (before?.count ?? 0);
    if (total <= 0) return null;
    let bound = 0;
    let below = 0;
    for (let i = 0; i < now.buckets.length; i++) {
      const count = countAt(now, i) - countAt(before, i);
      const upper = now.buckets[i].le;
      if (count >= part * total) {
        if (upper === null) return bound;
        return bound + (upper - bound) * (part * total - below) / Math.max(count - below, 1);
      }
      bound = upper ?? bound;
      below = count;
    }
    return bound;
  };

  const history = []; // of rates, and of { at, gap: true } where nothing is known
  const note = (entry) => {
    history.push(entry);
    while (history[0].at < entry.at - HISTORY_MS) history.shift();
  };
  let counts = []; // of the last ten seconds
  const remember = (metrics) => {
    const now = countDecisions(metrics, performance.now());
    const before = counts.at(-1);
    const rate = before ? rateBetween(before, now) : null;
    if (before && !rate) counts = [];
    note(rate ?? { at: now.at, gap: true });
    counts.push(now);
    while (counts.length > 11) counts.shift();
    return { rate, now, oldest: counts[0] };
  };

  // ---- plots

  // Paths of `value(entry)` over the last five minutes, with gaps where nothing is known.
  const paths = (value, top, width, height, now) => {
    const x = (entry) => width * (1 - (now - entry.at) / HISTORY_MS);
    const y = (entry) => height - height * Math.min(value(entry) / top, 1);
    let line = "";
    let area = "";
    let run = [];
    const end = () => {
      if (run.length > 0) {
        const points = run.map((entry) => `${x(entry).toFixed(1)},${y(entry).toFixed(1)}`);
        line += `M${points.join("L")}`;
        area += `M${x(run[0]).toFixed(1)},${height}L${points.join("L")}` +
          `L${x(run.at(-1)).toFixed(1)},${height}Z`;
      }
      run = [];
    };
    for (const entry of history) {
      if (entry.gap) end();
      else run.push(entry);
    }
    end();
    return { line, area };
  };
  // A round number that is even in its half too; ten at least.
  const roundUp = (value) => {
    if (value <= 10) return 10;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power)
      .find((step) => step >= value);
  };

  const renderPlot = () => {
    const box = byId("plot");
    const width = box.clientWidth;
    const height = box.clientHeight - 20;
    const known = history.filter((entry) => !entry.gap);
    const peak = Math.max(0, ...known.map((entry) => entry.all));
    const top = roundUp(peak);
    const now = performance.now();
    const svg = draw("svg", { "aria-hidden": "true" });
    for (const part of [0, 0.5, 1]) {
      const y = height * (1 - part);
      svg.append(draw("line", { class: "grid", x1: 0, x2: width, y1: y, y2: y }));
      if (part > 0) svg.append(draw("text", { x: 0, y: y + 13 }, amount(top * part)));
    }
    for (const minute of width < 480 ? [4, 2, 0] : [5, 4, 3, 2, 1, 0]) {
      const x = width * (1 - minute / 5);
      const anchor = minute === 5 ? "start" : minute === 0 ? "end" : "middle";
      svg.append(draw("text", { x, y: height + 16, "text-anchor": anchor },
        minute === 0 ? "now" : `−${minute} min`));
    }
    for (const [name, value] of [["all", (e) => e.all], ["denied", (e) => e.denied]]) {
      const { line, area } = paths(value, top, width, height, now);
      svg.append(draw("path", { class: `${name}-area`, d: area }));
      svg.append(draw("path", { class: name, d: line }));
    }
    box.replaceChildren(svg);
    const last = known.at(-1);
    box.setAttribute("aria-label", last ?
      `Decisions per second over five minutes: now ${amount(last.all)}, ` +
      `${amount(last.denied)} of them denied; most ${amount(peak)}` : "No numbers yet");
  };

  const spark = (name) => {
    const width = 200;
    const height = 22;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
                              "aria-hidden": "true" });
    const of = (entry, which) => entry.tiers.get(name)?.[which] ?? 0;
    const top = Math.max(1, ...history.filter((e) => !e.gap).map((e) => of(e, "all")));
    const now = performance.now();
    for (const which of ["all", "denied"]) {
      if (!history.some((entry) => !entry.gap && of(entry, which) > 0)) continue;
      const { line } = paths((entry) => of(entry, which), top, width, height, now);
      svg.append(draw("path", { class: which, d: line, "vector-effect": "non-scaling-stroke" }));
    }
    return svg;
  };

  // ---- panels

  const renderFigures = (metrics, { rate, now, oldest }) => {
    const known = history.filter((entry) => !entry.gap);
    say("rate", rate ? amount(rate.all) : "–");
    say("rate-peak", known.length ? `most ${amount(Math.max(...known.map((e) => e.all)))}` : "");
    say("denied", rate ? amount(rate.denied) : "–");
    byId("denied").classList.toggle("some", Boolean(rate && rate.denied > 0));
    say("denied-share", rate && rate.all > 0 ?
      `${(100 * rate.denied / rate.all).toFixed(1)} %` : "");
    say("p50", seconds(quantile(oldest.times, now.times, 0.5)));
    const slow = quantile(oldest.times, now.times, 0.99);
    say("p99", slow === null ? "" : `99 % within ${seconds(slow)}`);
    say("consumers", whole.format(valueOf(metrics, "quota_subjects", { kind: "consumer" }) ?? 0));
    const anonymous = valueOf(metrics, "quota_subjects", { kind: "anonymous" }) ?? 0;
    say("anonymous", `consumers, ${whole.format(anonymous)} addresses`);
    document.title = rate ? `${amount(rate.all)}/s · quotagate` : "quotagate";
  };

  const renderTiers = ({ rate, now }) => {
    const rows = [...now.tiers.keys()].sort().map((name) => {
      const row = make("tr");
      const each = rate?.tiers.get(name);
      row.append(make("td", "", name), make("td", "number", each ? amount(each.all) : "–"),
        make("td", `number${each && each.denied > 0 ? " some" : ""}`,
          each ? amount(each.denied) : "–"));
      const cell = make("td", "spark");
      cell.append(spark(name));
      row.append(cell);
      return row;
    });
    byId("tiers").replaceChildren(...rows);
    byId("no-tiers").hidden = rows.length > 0;
  };

  const left = (state, kind) => {
    if (!state) {
      const none = make("td", "quiet", "–");
      none.title = "no limit, or not known now";
      return none;
    }
    const cell = make("td");
    const part = state.limit > 0 ? Math.max(0, Math.min(state.remaining / state.limit, 1)) : 0;
    const box = make("div", "left");
    const track = make("div", "track");
    const level = part < 0.02 ? " none" : part < 0.2 ? " low" : "";
    const fill = make("div", `fill${level}`);
    fill.style.width = `${part * 100}%`;
    track.append(fill);
    box.append(track, make("span", `text${level}`, `${Math.floor(part * 100)} %`));
    const words = `${whole.format(state.remaining)} of ${whole.format(state.limit)} left`;
    box.title = `${words} of the ${kind}; all of it again at ${clock(state.reset_unix_ms)}`;
    cell.append(box);
    cell.setAttribute("aria-label", words);
    return cell;
  };

  const renderBusiest = (top) => {
    const rows = top.top.map((entry) => {
      const row = make("tr");
      const isNamed = entry.consumer !== null;
      const name = make("td", isNamed ? "" : "nameless", isNamed ? entry.consumer : "anonymous");
      if (isNamed) name.title = entry.consumer;
      row.append(name, make("td", "roomy", entry.tier),
        make("td", "number", amount(entry.per_second)),
        make("td", "number roomy", short(entry.requests)),
        make("td", `number${entry.denied > 0 ? " some" : ""}`, short(entry.denied)));
      row.append(isNamed ? left(entry.minute, "minute") : make("td", "quiet", "–"),
        isNamed ? left(entry.month, "month") : make("td", "quiet", "–"));
      return row;
    });
    byId("busiest").replaceChildren(...rows);
    byId("nobody").hidden = rows.length > 0;
    const { totals } = top;
    say("busiest-sum", rows.length === 0 ? "" :
      `${whole.format(totals.requests)} requests of ${whole.format(totals.consumers)} in 60 s, ` +
      `${whole.format(totals.denied)} denied`);
  };

  const renderList = (id, entries) => {
    byId(id).replaceChildren(...entries.flatMap(([name, text, className]) =>
      [make("dt", "", name), make("dd", className ?? "", text)]));
  };

  const renderStore = (metrics) => {
    const up = valueOf(metrics, "quota_store_up") === 1;
    const degraded = valueOf(metrics, "quota_degraded") === 1;
    const waiting = valueOf(metrics, "quota_waiting_checks") ?? 0;
    const entries = [
      ["Answers", up ? "yes" : "no", up ? "good" : "bad"],
      ["Decisions", degraded ? "made without it" : "made with it", degraded ? "bad" : ""],
      ["Checks that wait for it", whole.format(waiting), waiting > 1000 ? "bad" : ""],
    ];
    const held = valueOf(metrics, "quota_lease_tokens", { state: "held" });
    const owed = valueOf(metrics, "quota_lease_tokens", { state: "owed" });
    const isShared = samplesOf(metrics, "quota_store_requests_total")
      .some((sample) => sample.labels.op === "lease");
    if (isShared) {
      entries.push(["Leased and not spent", `${amount(held ?? 0)} units`]);
      entries.push(["Spent and not told yet", `${amount(owed ?? 0)} units`, owed > 0 ? "bad" : ""]);
    }
    const calls = samplesOf(metrics, "quota_store_requests_total")
      .filter((sample) => sample.value > 0)
      .map((sample) => `${sample.labels.op} ${sample.labels.result} ${whole.format(sample.value)}`);
    if (calls.length > 0) entries.push(["Requests to it", calls.join(", ")]);
    const times = samplesOf(metrics, "quota_store_request_duration_seconds")[0];
    if (times && times.count > 0) {
      entries.push(["Its answers", `99 % within ${seconds(quantile(null, times, 0.99))}`]);
    }
    renderList("store", entries);
  };

  const renderPolicy = (policy) => {
    renderList("policy", [
      ["From", policy.source],
      ["Hash", policy.hash],
      ["Tiers", policy.tiers.map((tier) => tier.name).join(", ")],
      ["Endpoint rules", whole.format(policy.endpoints.length)],
      ["Consumers in it", whole.format(policy.consumers)],
      ["When the store is lost", policy.store_lost],
      ["Loads", `${whole.format(policy.loads.loaded)} taken up, ` +
        `${whole.format(policy.loads.rejected)} rejected`],
    ]);
    byId("policy-error").hidden = policy.loads.last_error === null;
    say("policy-error-text", policy.loads.last_error ?? "");
  };

  const renderMode = (mode) => {
    const who = mode.source === "override" ?
      `set here or by quotactl; the policy says ${mode.policy_mode}` : "as the policy says";
    const where = mode.scope === "local" ? ", in this quotad only" : "";
    say("mode-now", `${mode.mode}${where}, ${who}, since ` +
      `${new Date(mode.since_unix_ms).toLocaleString([], { hour12: false })}`);
    const pill = byId("mode-pill");
    pill.hidden = mode.mode === "enforce";
    pill.className = `pill ${mode.mode === "off" ? "bad" : "warn"}`;
    say("mode-pill", mode.mode === "off" ? "mode off: nothing is counted" :
      "mode shadow: nobody is refused");
  };

  // ---- talking to quotad

  const ask = async (path, options = {}) => {
    const answer = await fetch(path, { cache: "no-store", credentials: "omit",
                                       signal: AbortSignal.timeout(PATIENCE_MS), ...options });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail ?? `quotad answered ${answer.status}`);
    return body;
  };

  let lostSince = null;
  const showLost = (error) => {
    lostSince ??= Date.now();
    note({ at: performance.now(), gap: true });
    counts = [];
    document.title = "No answer · quotagate";
    const state = byId("state");
    state.className = "pill bad";
    say("state", "No answer");
    byId("main").classList.add("stale");
    byId("lost").hidden = false;
    const why = error instanceof TypeError || error.name === "TimeoutError" ? "" :
      ` (${error.message})`;
    say("lost", `quotad has not answered since ${clock(lostSince)}${why}. The numbers below are ` +
      "from before; this page tries again every second.");
  };
  const showLive = () => {
    lostSince = null;
    byId("state").className = "pill good";
    say("state", "Live");
    byId("main").classList.remove("stale");
    byId("lost").hidden = true;
  };

  const showPaused = () => {
    byId("state").className = "pill";
    say("state", "Paused");
  };

  let timer = null;
  let isAsking = false;
  const refresh = async () => {
    if (isAsking) return;
    isAsking = true;
    try {
      const [metrics, top, policy, mode] = await Promise.all(
        ["/metrics.json", "/v1/top?limit=15", "/v1/policy", "/v1/mode"].map((path) => ask(path)));
      const seen = remember(metrics);
      renderFigures(metrics, seen);
      renderTiers(seen);
      renderStore(metrics);
      renderBusiest(top);
      renderPolicy(policy);
      renderMode(mode);
      say("version", `quotad ${samplesOf(metrics, "quota_build_info")[0]?.labels.version ?? ""} on ${
        location.host}`);
      showLive();
    } catch (error) {
      showLost(error);
    }
    isAsking = false;
    renderPlot();
    if (document.hidden) showPaused();
  };
  const tick = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    const begin = performance.now();
    await refresh();
    clearTimeout(timer);
    timer = setTimeout(tick, Math.max(100, INTERVAL_MS - (performance.now() - begin)));
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) showPaused();
    else tick();
  });
  window.addEventListener("resize", renderPlot);

  byId("mode-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = byId("mode-said");
    const button = byId("mode-set");
    const mode = new FormData(event.target).get("mode");
    const scope = byId("mode-local").checked ? "?scope=local" : "";
    button.disabled = true;
    said.className = "said";
    say("mode-said", "Asking …");
    try {
      renderMode(await ask(`/v1/mode${scope}`, {
        method: "PUT",
        headers: { "Authorization": `Bearer ${byId("token").value}`,
                   "Content-Type": "application/json" },
        body: JSON.stringify({ mode }),
      }));
      said.className = "said good";
      say("mode-said", `Done: ${mode === "policy" ? "the policy decides again" : mode}.`);
    } catch (error) {
      said.className = "said bad";
      say("mode-said", `Not changed: ${error.message}`);
    }
    button.disabled = false;
  });

  tick();
})();
