// The everyday load: up to 50 users, each of one tier, who ask for a mix of endpoints.
// 1 min up, 3 min at 50, 1 min down; DURATION_FACTOR=0.1 makes half a minute of it.
import { sleep } from 'k6';
import exec from 'k6/execution';
import {
  TREND_STATS, ask, checkAnswer, exactness, health, limitedBuckets, scaled, settings, summarize,
  weighted,
} from './shared.js';

const USERS = ['free', 'pro', 'pro', 'enterprise', 'anonymous'];
const path = weighted({ '/identify': 50, '/compare': 30, '/batch': 15, '/health': 5 });

const stages = [[60, 50], [180, 50], [60, 0]].map(([seconds, target]) => (
  { duration: `${scaled(seconds)}s`, target }));
const seconds = scaled(60) + scaled(180) + scaled(60);

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    users: { executor: 'ramping-vus', startVUs: 0, stages, gracefulRampDown: '10s' },
  },
  thresholds: {
    ...health(),
    ...exactness(USERS, seconds, false),
    checks: ['rate>=1'],
    'quota_denied{who:enterprise}': ['count<1'],
  },
  summaryTrendStats: TREND_STATS,
};

export function setup() {
  const began = Date.now();
  const windows = {};
  Object.keys(limitedBuckets(USERS)).forEach((bucket) => {
    windows[bucket] = { began, seconds };
  });
  return windows;
}

export default function users(windows) {
  const name = USERS[exec.vu.idInTest % USERS.length];
  const where = path();
  checkAnswer(name, where, ask(name, where, windows));
  sleep(settings.thinkSeconds);
}

export function handleSummary(data) {
  return summarize('seed', data);
}
