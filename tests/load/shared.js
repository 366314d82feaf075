// What the k6 scripts here share: settings, who asks, how an answer is judged and what is reported.
// Settings come from the environment; README.md lists them.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';

function text(name, standard) {
  const value = __ENV[name];
  return value === undefined || value === '' ? standard : value;
}

function number(name, standard, least) {
  const value = Number(text(name, standard));
  if (!(value >= least)) {
    throw new Error(`${name} is '${__ENV[name]}': it must be a number from ${least} up`);
  }
  return value;
}

export const settings = {
  baseUrl: text('BASE_URL', 'http://127.0.0.1:8080').replace(/\/+$/, ''),
  durationFactor: number('DURATION_FACTOR', 1, 0.001),
  rate: number('RATE', 0, 0), // requests a second; 0: what the script says
  thinkSeconds: number('THINK_SECONDS', 0.1, 0), // between two requests of a user
  p95: number('P95_MS', 200, 0),
  p99: number('P99_MS', 500, 0),
  errorRate: number('ERROR_RATE', 0.001, 0),
  dropped: number('DROPPED', 0.02, 0),
  burst: number('BURST', 1.5, 1), // of the policy
  slackUnits: number('SLACK_UNITS', 0, 0), // what other quotads may still have leased, see README.md
  summaryDirectory: text('SUMMARY_DIR', ''),
};

// Whoever asks, and the bucket that pays: strangers and wrong keys share that of their address.
export const WHO = {
  free: {
    key: text('FREE_KEY', 'demo-free-key'),
    tier: 'free', bucket: 'free', perMinute: number('FREE_PER_MINUTE', 100, 1),
  },
  pro: {
    key: text('PRO_KEY', 'demo-pro-key'),
    tier: 'pro', bucket: 'pro', perMinute: number('PRO_PER_MINUTE', 1000, 1),
  },
  enterprise: {
    key: text('ENTERPRISE_KEY', 'demo-enterprise-key'),
    tier: 'enterprise', bucket: 'enterprise', perMinute: Infinity,
  },
  anonymous: {
    key: '',
    tier: 'anonymous', bucket: 'address', perMinute: number('ANONYMOUS_PER_MINUTE', 30, 1),
  },
  wrong: {
    key: 'no-such-key',
    tier: 'anonymous', bucket: 'address', perMinute: number('ANONYMOUS_PER_MINUTE', 30, 1),
  },
};

// Of the demo's policy.
export const COSTS = { '/identify': 1, '/compare': 2, '/batch': 1, '/health': 0 };

// Cost units that were let through, by bucket: only those answered within the window, so that a
// bound of it holds however long the last answers take.
const unitsAllowed = new Counter('quota_units_allowed');
const denied = new Counter('quota_denied');

// A denial is an answer, not a failure.
http.setResponseCallback(http.expectedStatuses(200, 429));

// k6 spells header names in its own way.
export function header(response, name) {
  const wanted = name.toLowerCase();
  const found = Object.keys(response.headers).find((each) => each.toLowerCase() === wanted);
  return found === undefined ? undefined : response.headers[found];
}

// One request. `windows`: by bucket, when its window began (Date.now()) and how long it is.
export function ask(name, path, windows) {
  const who = WHO[name];
  const response = http.get(settings.baseUrl + path, {
    headers: who.key === '' ? {} : { 'X-API-Key': who.key },
    tags: { who: name, name: path },
    timeout: '10s',
  });
  if (response.status === 429) {
    denied.add(1, { who: name });
  }
  if (response.status === 200 && windows !== undefined) {
    const window = windows[who.bucket];
    if (window !== undefined && Date.now() <= window.began + window.seconds * 1000) {
      unitsAllowed.add(COSTS[path], { bucket: who.bucket });
    }
  }
  return response;
}

// Whether an answer is what the documentation promises. Of a rate that does without it, leave it
// out: it costs as much as the request.
export function checkAnswer(name, path, response) {
  const who = WHO[name];
  const limited = who.perMinute !== Infinity && COSTS[path] > 0;
  const limit = Number(header(response, 'X-RateLimit-Limit'));
  const remaining = Number(header(response, 'X-RateLimit-Remaining'));
  check(response, {
    'answered with 200 or 429': () => response.status === 200 || response.status === 429,
    'the tier is the right one': () => header(response, 'X-Quota-Tier') === who.tier,
    'limit headers are those of the tier': () => (limited
      ? limit === who.perMinute && remaining >= 0 && remaining <= limit
      : header(response, 'X-RateLimit-Limit') === undefined),
  });
  if (response.status === 429) {
    check(response, {
      'a denial says when to come back': () => Number(header(response, 'Retry-After')) >= 1,
      'a denial is problem+json': () =>
        String(header(response, 'Content-Type')).startsWith('application/problem+json'),
    });
  }
}

// Takes all that a bucket holds. Returns when it was empty: when the denied request was sent.
export function drain(name) {
  const most = 2 * WHO[name].perMinute * settings.burst + 1000;
  for (let asked = 0; asked < most; asked += 1) {
    const sent = Date.now();
    const { status } = ask(name, '/identify');
    if (status === 429) {
      return sent;
    }
    if (status !== 200) {
      throw new Error(`${settings.baseUrl} answers ${name} with status ${status} (0: not at all)`);
    }
  }
  throw new Error(
    `${name} was not denied once in ${most} requests: its limit is not ` +
    `${WHO[name].perMinute} a minute, or limits are not enforced`);
}

export function limitedBuckets(names) {
  const limits = {};
  names.filter((name) => WHO[name].perMinute !== Infinity).forEach((name) => {
    limits[WHO[name].bucket] = WHO[name].perMinute;
  });
  return limits;
}

// Thresholds: no bucket gives more within `seconds` than it holds and what flows in. With
// `drained`, it began empty, is asked for more than there is, and must give that, too.
export function exactness(names, seconds, drained) {
  const limits = limitedBuckets(names);
  const thresholds = {};
  Object.keys(limits).forEach((bucket) => {
    const perMinute = limits[bucket];
    const flowsIn = (perMinute * seconds) / 60;
    // What is less than a unit could not be taken from an empty bucket.
    const held = drained ? 0.999 : perMinute * settings.burst;
    const bounds = [`count<=${Math.floor(held + flowsIn + settings.slackUnits)}`];
    if (drained) {
      bounds.push(`count>=${Math.max(0, Math.floor(flowsIn * 0.98) - 2)}`);
    }
    thresholds[`quota_units_allowed{bucket:${bucket}}`] = bounds;
  });
  return thresholds;
}

// Thresholds of every run: whatever is neither 200 nor 429, and how long answers take.
export function health() {
  return {
    http_req_failed: [`rate<=${settings.errorRate}`],
    http_req_duration: [`p(95)<${settings.p95}`, `p(99)<${settings.p99}`],
  };
}

export const TREND_STATS = ['avg', 'med', 'p(95)', 'p(99)', 'max'];

// Seconds of a scenario, in whole milliseconds as k6 takes them.
export function scaled(seconds) {
  return Math.max(1, Math.round(seconds * settings.durationFactor * 1000) / 1000);
}

function thresholdsOf(data) {
  const found = [];
  Object.keys(data.metrics).sort().forEach((metric) => {
    const { thresholds, values } = data.metrics[metric];
    Object.keys(thresholds || {}).forEach((threshold) => {
      const aggregate = threshold.match(/^[a-z]+(\(\d+(\.\d+)?\))?/)[0];
      const seen = (values || {})[aggregate];
      found.push({ metric, threshold, ok: thresholds[threshold].ok,
        seen: seen === undefined ? null : Math.round(seen * 1e6) / 1e6 });
    });
  });
  return found;
}

// What handleSummary returns: a table for people, and JSON if SUMMARY_DIR says where to.
export function summarize(test, data) {
  const thresholds = thresholdsOf(data);
  const passed = thresholds.length > 0 && thresholds.every(({ ok }) => ok);
  const width = Math.max(...thresholds.map(({ metric }) => metric.length));
  const requests = ((data.metrics.http_reqs || {}).values || {}).count || 0;
  const lines = [`${test}: ${passed ? 'passed' : 'FAILED'}, ${requests} requests`];
  thresholds.forEach(({ metric, threshold, ok, seen }) => {
    lines.push(`  ${ok ? 'ok  ' : 'FAIL'} ${metric.padEnd(width)}  ${threshold}  seen ${seen}`);
  });
  const out = { stdout: `${lines.join('\n')}\n` };
  if (settings.summaryDirectory !== '') {
    const metrics = {};
    Object.keys(data.metrics).forEach((metric) => {
      metrics[metric] = data.metrics[metric].values;
    });
    out[`${settings.summaryDirectory}/${test}.json`] =
      `${JSON.stringify({ test, passed, base_url: settings.baseUrl, thresholds, metrics }, null, 2)}\n`;
  }
  return out;
}

// A picker of names by weight: { free: 50, pro: 25 } -> 'free' two times in three.
export function weighted(weights) {
  const names = Object.keys(weights);
  const sum = names.reduce((total, name) => total + weights[name], 0);
  return () => {
    let left = Math.random() * sum;
    return names.find((name) => {
      left -= weights[name];
      return left < 0;
    }) || names[0];
  };
}
