// Random schedules over tabs that share a line: publish, lag, attach, leave, stall, trim, join and leave rooms. Whatever happens, a
// tab is given every event of its rooms from where it was told that it starts, once and in order, or was told which will not come.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseCursor } from '../../../../static/js/tricast/cursor.js';
import { Switchboard } from '../../../../static/js/tricast/switchboard.js';

const SEEDS = Number(process.env.SCHEDULES ?? 300);
const STEPS = 120;
const RETAINED = 40;
const ROOMS = ['a', 'b', 'c'];
const id = (offset) => `k3f4a2bq-${offset}`;
const offsetOf = (cursor) => parseCursor(cursor).offset;

/** Mulberry32: small, and the same everywhere. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const settle = () => new Promise((resolve) => { setImmediate(resolve); });

/** A feed with a short history, a line on it that lags as it is told to, and pages that come late. */
class Feed {
  log = [];
  first = 1;
  line = null;
  pages = [];

  publish(rooms) {
    this.log.push({ id: id(this.log.length + 1), rooms });
  }

  trim() {
    this.first = Math.max(this.first, this.log.length - RETAINED + 1);
  }

  /** As the server: the page shows what is there when it is made, which is before it arrives. */
  page(_, after, rooms) {
    const last = this.log.length;
    const asked = after === 'tip' ? last : after === 'earliest' ? this.first - 1 : offsetOf(after);
    const from = Math.max(asked, this.first - 1);
    const upto = Math.min(last, from + 7);
    const isFor = (event) => rooms.length === 0 || event.rooms.length === 0 || event.rooms.some((room) => rooms.includes(room));
    const page = { events: this.log.slice(from, upto).filter(isFor), cursor: id(upto), more: upto < last };
    if (asked < this.first - 1 && after !== 'earliest') page.sync = { state: 'reset', cursor: id(from), missed: from - asked };
    return new Promise((resolve) => { this.pages.push(() => resolve(page)); });
  }

  open(options, ears) {
    const feed = this;
    /** The offset after which each room's events come: a late join starts at the tip. */
    const joined = new Map(options.rooms.map((room) => [room, 0]));
    this.line = {
      state: 'idle', transport: 'ws', session: 's_1', stats: {}, memory: { learn: () => {} }, served: 0,
      get rooms() { return [...joined.keys()]; },
      start() {
        this.state = 'live';
        const asked = !options.after || options.after === 'tip' ? feed.log.length : options.after === 'earliest' ? feed.first - 1 : offsetOf(options.after);
        this.served = Math.max(asked, feed.first - 1);
        ears.state({ do: 'state', state: 'live', from: 'connecting', transport: 'ws' });
        const reset = this.served > asked;
        const state = reset ? 'reset' : options.after && options.after !== 'tip' ? 'resumed' : 'new';
        ears.notice('sync', { notice: 'sync', state, cursor: id(this.served), missed: this.served - asked, beat: 15, session: 's_1' });
      },
      /** Hands over so many of the events that are there. */
      flow(count) {
        if (this.served < feed.first - 1) {
          ears.notice('gap', { notice: 'gap', from: this.served + 1, to: feed.first - 1, reason: 'slow', cursor: id(feed.first - 1) });
          this.served = feed.first - 1;
        }
        for (; count > 0 && this.served < feed.log.length; count -= 1) {
          const event = feed.log[this.served];
          this.served += 1;
          const isFor = event.rooms.length === 0 || event.rooms.some((room) => joined.has(room) && this.served > joined.get(room));
          if (isFor) ears.event(event, { transport: 'ws' });
        }
        if (this.served === feed.log.length) ears.notice('beat', { notice: 'beat', cursor: id(this.served) });
      },
      async join(rooms) { for (const room of rooms) if (!joined.has(room)) joined.set(room, feed.log.length); },
      async leave(rooms) { for (const room of rooms) joined.delete(room); },
      close() { this.state = 'closed'; },
      check() {},
    };
    return this.line;
  }
}

/** One tab with the account of what it was given and told. */
class Visitor {
  port = { onmessage: null, postMessage: (message) => this.#receive(message) };
  got = [];
  told = [];
  start = null;
  end = null;
  untaken = 0;

  constructor(name, rooms) {
    this.name = name;
    this.rooms = rooms;
  }

  say(message) { this.port.onmessage({ data: { ...message, tab: this.name } }); }

  get cursor() {
    return Math.max(this.start ?? 0, this.got.at(-1) ?? 0, this.told.at(-1)?.[1] ?? 0);
  }

  #receive({ do: what, name, detail, event }) {
    if (this.end !== null) return;
    if (what === 'event') {
      this.got.push(offsetOf(event.id));
      this.untaken += 1;
    } else if (name === 'sync') this.start ??= detail.state === 'reset' ? null : offsetOf(detail.cursor);
    else if (name === 'reset') {
      const was = parseCursor(detail.was)?.offset;
      this.start ??= was ?? offsetOf(detail.cursor);
      if (was !== undefined) this.told.push([was + 1, offsetOf(detail.cursor)]);
    } else if (name === 'gap') this.told.push([detail.from, detail.to]);
  }

  take() {
    this.say({ do: 'taken', count: this.untaken });
    this.untaken = 0;
  }

  check(feed, upto) {
    if (this.start === null) return 0;
    for (let i = 1; i < this.got.length; i += 1) assert.ok(this.got[i] > this.got[i - 1], `twice or out of order: ${this.got}`);
    const isTold = (offset) => this.told.some(([from, to]) => from <= offset && offset <= to);
    const had = new Set(this.got);
    for (let offset = this.start + 1; offset <= upto; offset += 1) {
      const { rooms } = feed.log[offset - 1];
      const isMine = rooms.length === 0 || rooms.some((room) => this.rooms.includes(room));
      if (isMine) assert.ok(had.has(offset) || isTold(offset), `#${offset} neither came to ${this.name} nor was it told: from ${this.start}, got ${this.got}, told ${this.told.join(' ')}`);
      else assert.ok(!had.has(offset), `#${offset} is not for ${this.name}`);
    }
    return this.got.length;
  }
}

async function play(seed) {
  const next = random(seed);
  const upTo = (most) => Math.floor(next() * most);
  const feed = new Feed();
  let now = 0;
  const switchboard = new Switchboard({ now: () => now, openLine: (options, ears) => feed.open(options, ears), page: (...asked) => feed.page(...asked) });
  const here = [];
  const gone = [];
  const attach = () => {
    const rooms = ROOMS.filter(() => next() < 0.5);
    const visitor = new Visitor(`tab-${here.length + gone.length}`, rooms);
    switchboard.call(visitor.port);
    const after = next() < 0.4 || feed.log.length === 0 ? 'tip' : next() < 0.2 ? 'earliest' : id(upTo(feed.log.length + 1));
    here.push(visitor);
    visitor.say({ do: 'attach', options: { url: 'http://feed.example', namespace: 'x' }, rooms, after });
  };
  const acts = [
    () => { for (let i = upTo(12); i > 0; i -= 1) feed.publish(next() < 0.2 ? [] : [ROOMS[upTo(3)]]); },
    () => { if (feed.line) feed.line.flow(1 + upTo(15)); },
    () => { if (feed.line) feed.line.flow(Infinity); },
    () => { feed.pages.shift()?.(); },
    () => { if (here.length < 5) attach(); },
    () => {
      if (here.length < 2) return;
      const [left] = here.splice(upTo(here.length), 1);
      left.end = left.cursor;
      left.say({ do: 'detach' });
      gone.push(left);
    },
    () => { here[upTo(here.length)]?.take(); },
    () => { if (next() < 0.3) feed.trim(); },
  ];
  attach();
  for (let step = 0; step < STEPS; step += 1) {
    acts[upTo(acts.length)]();
    if (next() < 0.5) await settle();
  }
  // Everything that is under way comes to its end.
  for (let i = 0; i < 200; i += 1) {
    feed.line.flow(Infinity);
    for (const visitor of here) visitor.take();
    feed.pages.splice(0).forEach((come) => come());
    await settle();
  }
  const given = here.map((visitor) => {
    assert.notEqual(visitor.start, null, `${visitor.name} was never told where it starts`);
    return visitor.check(feed, feed.log.length);
  });
  given.push(...gone.map((visitor) => visitor.check(feed, visitor.end)));
  for (const visitor of here) visitor.say({ do: 'detach' });
  return given.reduce((sum, count) => sum + count, 0);
}

test(`${SEEDS} random schedules of shared tabs`, async (t) => {
  const first = Number(process.env.SEED ?? 1);
  let given = 0;
  for (let seed = first; seed < first + SEEDS; seed += 1) {
    given += await play(seed).catch((error) => {
      error.message = `SEED=${seed} SCHEDULES=1: ${error.message}`;
      throw error;
    });
  }
  assert.ok(given > SEEDS * 20, `hardly anything was delivered: ${given}`);
  t.diagnostic(`${given} events were delivered`);
});
