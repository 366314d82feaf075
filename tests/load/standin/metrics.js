// Module k6/metrics, and the registry behind it: metrics, and parts of them by tag for thresholds.
const metrics = new Map();

function metric(name, type) {
  if (!metrics.has(name)) {
    metrics.set(name, { type, samples: [], parts: new Map() });
  }
  return metrics.get(name);
}

export function add(name, type, value, tags) {
  const found = metric(name, type);
  found.samples.push(Number(value));
  found.parts.forEach((part, selector) => {
    const [tag, wanted] = selector.split(':');
    if (String(tags[tag]) === wanted) {
      part.push(Number(value));
    }
  });
}

class Metric {
  constructor(name) {
    this.name = name;
    this.type = new.target.name.toLowerCase();
    metric(name, this.type);
  }

  add(value, tags) {
    add(this.name, this.type, value, tags || {});
  }
}

export class Counter extends Metric {}

// Those that k6 has by itself.
metric('http_reqs', 'counter');
metric('http_req_duration', 'trend');
metric('http_req_failed', 'rate');
metric('checks', 'rate');
metric('dropped_iterations', 'counter');

function valuesOf(type, samples) {
  const sum = samples.reduce((total, value) => total + value, 0);
  if (type === 'counter') {
    return { count: sum };
  }
  if (type === 'rate') {
    return { rate: samples.length === 0 ? 0 : sum / samples.length };
  }
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] || 0;
  return {
    avg: samples.length === 0 ? 0 : sum / samples.length,
    med: at(0.5), 'p(95)': at(0.95), 'p(99)': at(0.99), max: at(1),
  };
}

const SYNTAX = /^([a-z]+(?:\([0-9.]+\))?)(<=|>=|<|>|==)([0-9.]+)$/;
const OPERATORS = {
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '==': (a, b) => a === b,
};

// Before anything is counted: what the thresholds want to know parts of.
export function watch(thresholds) {
  Object.keys(thresholds).forEach((name) => {
    const [whole, selector] = name.replace('}', '').split('{');
    if (!metrics.has(whole)) {
      throw new Error(`a threshold is about ${whole}, which is no metric`);
    }
    if (selector !== undefined) {
      metrics.get(whole).parts.set(selector, []);
    }
    thresholds[name].forEach((threshold) => {
      if (!SYNTAX.test(threshold)) {
        throw new Error(`${threshold} is no threshold`);
      }
    });
  });
}

// What handleSummary gets, and whether every threshold holds.
export function sum(thresholds) {
  const data = { metrics: {}, state: {} };
  metrics.forEach(({ type, samples, parts }, name) => {
    data.metrics[name] = { type, values: valuesOf(type, samples) };
    parts.forEach((part, selector) => {
      data.metrics[`${name}{${selector}}`] = { type, values: valuesOf(type, part) };
    });
  });
  let passed = true;
  Object.keys(thresholds).forEach((name) => {
    const entry = data.metrics[name];
    entry.thresholds = {};
    thresholds[name].forEach((threshold) => {
      const [, aggregate, operator, bound] = threshold.match(SYNTAX);
      if (!(aggregate in entry.values)) {
        throw new Error(`${name} is a ${entry.type} and has no ${aggregate}`);
      }
      const ok = OPERATORS[operator](entry.values[aggregate], Number(bound));
      entry.thresholds[threshold] = { ok };
      passed = passed && ok;
    });
  });
  return { data, passed };
}
