// The thread that asks on behalf of http.js.
import http from 'node:http';
import { workerData } from 'node:worker_threads';

const { port, answered } = workerData;
const agent = new http.Agent({ keepAlive: true });

// As Go, and so k6, spells them: X-RateLimit-Limit is X-Ratelimit-Limit.
function spelled(name) {
  return name.toLowerCase().replace(/(^|-)([a-z])/g, (part) => part.toUpperCase());
}

function answer(response) {
  port.postMessage(response);
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
}

port.on('message', ({ method, url, headers, timeout }) => {
  const request = http.request(url, { method, headers, agent, timeout }, (response) => {
    let body = '';
    response.on('data', (piece) => { body += piece; });
    response.on('end', () => {
      const found = {};
      Object.keys(response.headers).forEach((name) => {
        found[spelled(name)] = String(response.headers[name]);
      });
      answer({ status: response.statusCode, headers: found, body });
    });
  });
  request.on('timeout', () => request.destroy(new Error('timeout')));
  request.on('error', (error) => answer({ status: 0, headers: {}, body: '', error: error.message }));
  request.end();
});
