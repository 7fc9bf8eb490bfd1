// A TCP proxy in front of a server, for what proxies and networks do to streams: refuse them, hold them back, fall silent
// without a word, break. It reads no more than the request line of each request.

import { connect, createServer } from 'node:net';

/**
 * @typedef {'pass' | 'refuse' | 'mute' | 'head'} Rule
 *   `refuse`: the connection is reset; `mute`: nothing of the answer comes; `head`: the answer's head comes, its body is
 *   buffered for ever
 */

const SUBSCRIPTION = /^GET \/v1\/feeds\/[^/]+\/(poll|sse|ws)\?/;

/**
 * @param {string} upstream  the server's address
 * @returns {Promise<{url: string, rules: Record<'poll' | 'sse' | 'ws', Rule>, seen: Record<'poll' | 'sse' | 'ws', number>,
 *   cut: () => void, freeze: (way?: string) => void, stop: () => Promise<void>}>}
 */
export async function proxy(upstream) {
  const { hostname, port } = new URL(upstream);
  const rules = /** @type {Record<'poll' | 'sse' | 'ws', Rule>} */ ({ poll: 'pass', sse: 'pass', ws: 'pass' });
  const seen = { poll: 0, sse: 0, ws: 0 };
  const pairs = new Set();
  const listener = createServer((client) => {
    const pair = { client, server: connect(Number(port), hostname), way: '', rule: /** @type {Rule} */ ('pass'), held: '', frozen: false };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      pair.server.destroy();
    };
    for (const socket of [client, pair.server]) socket.on('error', end).on('close', end);
    client.on('data', (bytes) => {
      if (pair.frozen) return;
      const way = SUBSCRIPTION.exec(bytes.toString('latin1', 0, 200))?.[1];
      if (way) {
        seen[way] += 1;
        pair.way = way;
        pair.rule = rules[way];
        pair.held = '';
      }
      if (pair.rule === 'refuse') client.resetAndDestroy();
      else pair.server.write(bytes);
    });
    pair.server.on('data', (bytes) => {
      if (pair.frozen || pair.rule === 'mute') return;
      if (pair.rule === 'pass') return void client.write(bytes);
      const before = pair.held.length;
      pair.held += bytes.toString('latin1');
      const end = pair.held.indexOf('\r\n\r\n') + 4;
      if (end < 4) client.write(bytes);
      else if (before < end) client.write(bytes.subarray(0, end - before));
    });
  });
  await new Promise((resolve) => { listener.listen(0, '127.0.0.1', () => resolve(undefined)); });
  const { port: own } = /** @type {import('node:net').AddressInfo} */ (listener.address());
  const cut = () => { for (const { client } of pairs) client.resetAndDestroy(); };
  return {
    url: `http://127.0.0.1:${own}/`,
    rules,
    seen,
    cut,
    /** What is open now, of one transport or of all, stays open and carries nothing more in either direction. */
    freeze: (way) => { for (const pair of pairs) if (!way || pair.way === way) pair.frozen = true; },
    stop: async () => {
      cut();
      await new Promise((resolve) => { listener.close(() => resolve(undefined)); });
    },
  };
}
