// Module k6/http. k6 waits for an answer within a call, which node does not: a second thread asks,
// and this one sleeps until it has the answer.
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import { add } from './metrics.js';

const { port1: here, port2: there } = new MessageChannel();
const answered = new Int32Array(new SharedArrayBuffer(4));
const asker = new Worker(new URL('./asker.js', import.meta.url), {
  workerData: { port: there, answered }, transferList: [there],
});
asker.unref();

let expected = (status) => status >= 200 && status < 400;

function request(method, url, params) {
  const { headers, tags, timeout } = params || {};
  Atomics.store(answered, 0, 0);
  const began = performance.now();
  here.postMessage({ method, url, headers, timeout: parseFloat(timeout || '60') * 1000 });
  Atomics.wait(answered, 0, 0);
  const response = receiveMessageOnPort(here).message;
  const all = { ...tags, status: response.status, method };
  add('http_reqs', 'counter', 1, all);
  add('http_req_duration', 'trend', performance.now() - began, all);
  add('http_req_failed', 'rate', !expected(response.status), all);
  return response;
}

export default {
  get: (url, params) => request('GET', url, params),
  expectedStatuses: (...statuses) => (status) => statuses.includes(status),
  setResponseCallback: (callback) => { expected = callback; },
};
