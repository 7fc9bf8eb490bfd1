// A Chromium, and a server with the demo: the one that TRICAST_URL names, or one of our own on a free port.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const BINARY = process.env.TRICAST_BIN ?? fileURLToPath(new URL('../../../target/debug/tricast', import.meta.url));
const START_MS = 20_000;

/**
 * @param {Record<string, string>} [settings]  as environment variables; with any, a server of one's own is started
 * @returns {Promise<{url: string, stop: () => Promise<void>}>}
 */
export async function server(settings) {
  if (process.env.TRICAST_URL && !settings) return { url: process.env.TRICAST_URL, stop: async () => {} };
  const child = spawn(BINARY, ['demo', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...settings },
  });
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${BINARY} demo ended with ${code} before it named its page`)));
    setTimeout(() => reject(new Error(`${BINARY} demo did not name its page in ${START_MS} ms`)), START_MS).unref();
  });
  failed.catch(() => {});
  return { url: await Promise.race([pageLine(child.stdout), failed]), stop };
}

function pageLine(stdout) {
  return new Promise((resolve) => {
    createInterface({ input: stdout }).on('line', (line) => {
      const url = /^\s*page\s+(http:\S+)/.exec(line)?.[1];
      if (url) resolve(url);
    });
  });
}

export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/**
 * Opens the page and waits until every lane is live and has shown an event.
 * @param {import('playwright-core').Browser} chrome
 * @param {string} url
 * @param {object} [options]  of the browser's context
 */
export async function open(chrome, url, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1440, height: 1000 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === 'true'
    && ['poll', 'sse', 'ws'].every((way) => {
      const lane = document.getElementById(`lane-${way}`);
      return lane.dataset.state === 'live' && lane.querySelector('.log li');
    }));
  return { page, errors, close: () => context.close() };
}

/** One visit; whatever the test does, the page is closed and its own faults are shown. */
export async function visit(chrome, url, options, act) {
  const visited = await open(chrome, url, options);
  try {
    await act(visited.page, visited);
  } finally {
    await visited.close();
  }
}

export const WAYS = ['poll', 'sse', 'ws'];

/** What a lane says of itself. */
export const lane = (page, way) => page.evaluate((name) => {
  const root = document.getElementById(`lane-${name}`);
  const part = (x) => root.querySelector(`[data-x="${x}"]`).textContent;
  return {
    state: root.dataset.state,
    lost: root.dataset.lost,
    doubled: root.dataset.doubled,
    offset: Number(root.dataset.cursor.split('-')[1]),
    reconnects: part('reconnects'),
    stamp: part('stamp-text'),
    kind: root.querySelector('[data-x="stamp"]').dataset.kind,
    serial: Number(root.querySelector('[data-x="stamp"]').dataset.serial ?? 0),
    ids: Array.from(root.querySelectorAll('.log li'), (row) => row.dataset.id),
  };
}, way);

/** Waits until a lane has stamped an interruption after the stamps it had before. */
export const stamped = (page, way, before) => page.waitForFunction(([name, serial]) => {
  const node = document.querySelector(`#lane-${name} [data-x="stamp"]`);
  return Number(node.dataset.serial ?? 0) > serial && node.dataset.kind !== 'away';
}, [way, before]);

/** Waits until a lane is in a state. */
export const reaches = (page, way, state) => page.waitForFunction(
  ([name, wanted]) => document.getElementById(`lane-${name}`).dataset.state === wanted,
  [way, state],
);

/** Sends what stands in the composer; gives each lane with whether it got it, and the words for that. */
export async function sent(page) {
  const old = await page.getAttribute('.who-row li', 'data-offset');
  await page.click('[data-x="send"] [type="submit"]');
  await page.waitForFunction((offset) => {
    const cells = [...document.querySelectorAll('.who-row li')];
    return cells[0].dataset.offset !== (offset ?? undefined) && cells.every((cell) => cell.dataset.got !== 'open');
  }, old);
  return page.$$eval('.who-row li', (cells) => cells.map((cell) => [cell.dataset.way, cell.dataset.got, cell.querySelector('b').textContent]));
}
