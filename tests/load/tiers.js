// All who may come, at once: each gets what it may have and no more, and no one pays for another.
// 200 requests a second (RATE) for two minutes, shared out by weight.
import {
  TREND_STATS, ask, checkAnswer, exactness, health, limitedBuckets, scaled, settings, summarize,
  weighted,
} from './shared.js';

const WEIGHTS = { free: 40, pro: 30, enterprise: 15, anonymous: 10, wrong: 5 };
const NAMES = Object.keys(WEIGHTS);
const RATE = settings.rate || 200;
const seconds = scaled(120);
const who = weighted(WEIGHTS);

// Everybody was there, or the run has shown nothing.
const present = {};
NAMES.forEach((name) => {
  present[`http_reqs{who:${name}}`] = ['count>0'];
});

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    mix: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: `${seconds}s`,
      preAllocatedVUs: Math.max(10, Math.ceil(RATE / 20)),
      maxVUs: Math.max(50, Math.ceil(RATE / 2)),
      gracefulStop: '15s',
    },
  },
  thresholds: {
    ...health(),
    ...exactness(NAMES, seconds, false),
    ...present,
    checks: ['rate>=1'],
    'quota_denied{who:enterprise}': ['count<1'],
  },
  summaryTrendStats: TREND_STATS,
};

export function setup() {
  const began = Date.now();
  const windows = {};
  Object.keys(limitedBuckets(NAMES)).forEach((bucket) => {
    windows[bucket] = { began, seconds };
  });
  return windows;
}

export default function mix(windows) {
  const name = who();
  checkAnswer(name, '/identify', ask(name, '/identify', windows));
}

export function handleSummary(data) {
  return summarize('tiers', data);
}
