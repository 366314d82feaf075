// Whether limits are exact under load: 10,000 requests a second (RATE) for a minute, by consumers
// who may have a few of them. setup() empties their buckets, so what they may have from then on is
// what flows in, to the unit; whoever asked before, and how much, makes no difference.
import exec from 'k6/execution';
import { TREND_STATS, ask, drain, exactness, health, scaled, settings, summarize } from './shared.js';

const NAMES = ['free', 'pro'];
const RATE = settings.rate || 10000;
const seconds = scaled(60);

/** @type {import('k6/options').Options} */
export const options = {
  setupTimeout: '120s',
  scenarios: {
    flood: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: `${seconds}s`,
      preAllocatedVUs: Math.max(20, Math.ceil(RATE / 50)),
      maxVUs: Math.max(50, Math.ceil(RATE / 10)),
      gracefulStop: '15s',
    },
  },
  thresholds: {
    ...health(),
    ...exactness(NAMES, seconds, true),
    // More than that, and it was not the load that it says.
    dropped_iterations: [`count<=${Math.floor(RATE * seconds * settings.dropped)}`],
  },
  summaryTrendStats: TREND_STATS,
};

export function setup() {
  const windows = {};
  NAMES.forEach((name) => {
    windows[name] = { began: drain(name), seconds };
  });
  return windows;
}

export default function flood(windows) {
  ask(NAMES[exec.scenario.iterationInTest % NAMES.length], '/identify', windows);
}

export function handleSummary(data) {
  return summarize('accuracy', data);
}
