// The part of module k6 that the scripts use. Nobody sleeps: the runner lets the others go on.
import execution from './execution.js';
import { add } from './metrics.js';

export function check(value, conditions) {
  return Object.keys(conditions).reduce((passed, name) => {
    const holds = Boolean(conditions[name](value));
    if (!holds) {
      process.stderr.write(`check failed: ${name}\n`);
    }
    add('checks', 'rate', holds, {});
    return passed && holds;
  }, true);
}

export function sleep(seconds) {
  execution.sleepFor += seconds;
}
