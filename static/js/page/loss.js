// Loss on purpose: three subscribers of a namespace that keeps five events are cut off for ten seconds while it goes on.
// More is published meanwhile than it keeps, so something must be missing; each of them is told what.

import { connect, parseCursor, publish } from '../tricast.js';
import { Account } from './account.js';
import { api } from './api.js';
import { tellingText } from './tellings.js';
import { number, seconds, t } from './words.js';

const NAMESPACE = 'brief';
const EVERY_MS = 500;
const BEFORE = 4;
const CUT_MS = 10_000;
const AFTER = 4;
// A subscriber that has not come back so long after the network did is given up.
const BACK_MAX_MS = 15_000;
const CELLS_MAX = 60;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** One subscriber and its row. */
class Row {
  #root;
  #text;
  #cells;
  account = new Account();
  #start = 0;

  /** @param {string} way @param {string} visitor */
  constructor(way, visitor) {
    this.way = way;
    this.label = `loss-${visitor}-${way}`;
    this.#root = /** @type {HTMLElement} */ (document.querySelector(`[data-loss="${way}"]`));
    this.#text = /** @type {HTMLElement} */ (this.#root.querySelector('[data-x="loss-text"]'));
    this.#cells = /** @type {HTMLElement} */ (this.#root.querySelector('.cells'));
    this.#cells.replaceChildren();
    this.#root.dataset.kind = 'running';
    this.feed = connect({
      namespace: NAMESPACE, transport: /** @type {any} */ (way), label: this.label, shared: false, backoff: { baseMs: 200, capMs: 1000 },
    });
    this.synced = new Promise((resolve) => { this.feed.watch('sync', resolve); });
    this.feed.on('*', ({ id }) => this.account.event(id));
    this.feed.watch('duplicate', () => { this.account.doubled += 1; });
    this.feed.watch('gap', (gap) => this.account.gap(gap));
    this.feed.watch('reset', (reset) => this.account.reset(reset));
  }

  /** @param {string} cursor */
  begin(cursor) {
    this.account.start(cursor);
    this.#start = parseCursor(cursor)?.offset ?? 0;
  }

  /** @param {number} last  @param {string} words */
  show(last, words) {
    this.#text.textContent = words;
    const marks = this.account.marks(last).slice(-CELLS_MAX);
    while (this.#cells.children.length < marks.length) this.#cells.append(document.createElement('i'));
    marks.forEach(({ offset, mark }, i) => {
      const cell = /** @type {HTMLElement} */ (this.#cells.children[i]);
      cell.dataset.mark = mark;
      cell.title = `#${offset}`;
    });
  }

  /** @param {number} last */
  finish(last) {
    this.feed.close();
    const { received, told, silent, doubled, tellings } = this.account.sum(last);
    const words = [t('loss.sum', { published: last - this.#start, received, told, count: silent, silent, doubled }), ...tellings.map(tellingText)];
    Object.assign(this.#root.dataset, { kind: silent + doubled > 0 ? 'bad' : 'good', received, told, silent, doubled });
    const first = tellings.find(({ kind }) => kind !== 'epoch');
    if (first) Object.assign(this.#root.dataset, { from: first.from, to: first.to });
    this.show(last, words.join(' · '));
  }
}

/**
 * @param {string[]} ways
 * @param {string} visitor
 * @returns {() => Promise<void>} starts it, unless it runs
 */
export function loss(ways, visitor) {
  const buttons = [...document.querySelectorAll('[data-act="lose"]')];
  const said = /** @type {HTMLElement} */ (document.querySelector('[data-x="loss-said"]'));
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    document.querySelector('.loss')?.scrollIntoView({ block: 'center' });
    for (const button of buttons) button.setAttribute('aria-disabled', 'true');
    const rows = ways.map((way) => new Row(way, visitor));
    try {
      await staged(rows, (words) => { said.textContent = words; });
    } catch (error) {
      said.textContent = t('loss.failed', { why: error.message });
      for (const row of rows) row.feed.close();
    }
    for (const button of buttons) button.removeAttribute('aria-disabled');
    running = false;
  };
  return run;
}

async function staged(rows, say) {
  say(t('loss.connecting'));
  await Promise.all(rows.map((row) => row.synced));
  const { cursor } = await api.feed(NAMESPACE);
  for (const row of rows) row.begin(cursor);
  let last = parseCursor(cursor)?.offset ?? 0;
  const tick = async () => {
    const [{ id }] = await publish({ namespace: NAMESPACE }, { type: 'loss.tick', data: { at_us: Date.now() * 1000 } });
    last = Math.max(last, parseCursor(id)?.offset ?? 0);
    for (const row of rows) row.show(last, t(`state.${row.feed.state === 'waiting' ? 'down' : row.feed.state}`));
  };
  for (let i = 0; i < BEFORE; i += 1) {
    say(t('loss.before'));
    await tick();
    await pause(EVERY_MS);
  }
  const until = performance.now() + CUT_MS;
  await Promise.all(rows.map((row) => api.cut(row.label, CUT_MS)));
  while (performance.now() < until) {
    say(t('loss.cut', { seconds: seconds(until - performance.now()) }));
    await tick();
    await pause(EVERY_MS);
  }
  say(t('loss.after'));
  await patiently(() => rows.every((row) => row.feed.state === 'live'));
  for (let i = 0; i < AFTER; i += 1) {
    await tick();
    await pause(EVERY_MS);
  }
  await patiently(() => rows.every((row) => (parseCursor(row.feed.cursor)?.offset ?? 0) >= last));
  for (const row of rows) row.finish(last);
  say(t('loss.done', { place: `#${number(last)}` }));
}

async function patiently(isSo) {
  for (const late = performance.now() + BACK_MAX_MS; !isSo() && performance.now() < late;) await pause(50);
}
