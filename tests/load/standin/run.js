// Runs a k6 script with node: enough of k6 to try the scripts of this directory where it is not
// installed. It asks for real, one request at a time, so it puts no load on anything.
//
//   standin/k6 run [--quiet] SCRIPT
//
// Ends as k6 does: 0, 99 if a threshold does not hold, 107 if the script fails.
import {
  copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import execution from './execution.js';
import { add, sum, watch } from './metrics.js';

globalThis.__ENV = process.env;

function seconds(duration) {
  const [, value] = duration.match(/^([0-9.]+)s$/);
  return Number(value);
}

const pause = new Int32Array(new SharedArrayBuffer(4));
function wait(milliseconds) {
  Atomics.wait(pause, 0, 0, milliseconds);
}

const EXECUTORS = {
  'constant-arrival-rate': (scenario, iteration) => {
    const { rate, duration, maxVUs } = scenario;
    const began = performance.now();
    let next = 0;
    for (;;) {
      const elapsed = (performance.now() - began) / 1000;
      if (elapsed >= seconds(duration)) {
        return;
      }
      const due = Math.floor(elapsed * rate);
      const late = due - next - maxVUs;
      if (late > 0) {
        add('dropped_iterations', 'counter', late, {});
        next += late;
      }
      if (next <= due) {
        iteration(1 + (next % maxVUs), next);
        next += 1;
      } else {
        wait(1);
      }
    }
  },
  'ramping-vus': (scenario, iteration) => {
    const began = performance.now();
    const ready = [];
    let number = 0;
    let from = scenario.startVUs;
    let stageBegan = 0;
    scenario.stages.forEach(({ duration, target }) => {
      for (;;) {
        const elapsed = (performance.now() - began) / 1000;
        const part = (elapsed - stageBegan) / seconds(duration);
        if (part >= 1) {
          break;
        }
        const users = Math.round(from + (target - from) * part);
        let asked = false;
        for (let user = 0; user < users; user += 1) {
          if ((ready[user] || 0) <= performance.now()) {
            execution.sleepFor = 0;
            iteration(user + 1, number);
            number += 1;
            ready[user] = performance.now() + execution.sleepFor * 1000;
            asked = true;
          }
        }
        if (!asked) {
          wait(1);
        }
      }
      stageBegan += seconds(duration);
      from = target;
    });
  },
};

// In a copy of its directory in which k6's modules are found.
async function load(path) {
  const copy = mkdtempSync(join(tmpdir(), 'k6-standin.'));
  try {
    readdirSync(dirname(path)).filter((name) => name.endsWith('.js')).forEach((name) => {
      copyFileSync(join(dirname(path), name), join(copy, name));
    });
    writeFileSync(join(copy, 'package.json'), '{"type": "module"}');
    mkdirSync(join(copy, 'node_modules'));
    symlinkSync(dirname(fileURLToPath(import.meta.url)), join(copy, 'node_modules', 'k6'));
    return await import(join(copy, basename(path)));
  } finally {
    rmSync(copy, { recursive: true });
  }
}

async function main(words) {
  if (words.shift() !== 'run') {
    throw new Error('only run is known here');
  }
  const script = await load(words.filter((word) => !word.startsWith('-'))[0]);
  const { options } = script;
  watch(options.thresholds);
  const data = script.setup ? script.setup() : undefined;
  Object.values(options.scenarios).forEach((scenario) => {
    EXECUTORS[scenario.executor](scenario, (vu, number) => {
      execution.vu.idInTest = vu;
      execution.scenario.iterationInTest = number;
      script.default(JSON.parse(JSON.stringify(data)));
    });
  });
  const summary = sum(options.thresholds);
  const written = script.handleSummary(summary.data);
  Object.keys(written).forEach((where) => {
    writeFileSync({ stdout: 1, stderr: 2 }[where] || where, written[where]);
  });
  return summary.passed ? 0 : 99;
}

main(process.argv.slice(2)).then((code) => process.exit(code), (error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(107);
});
