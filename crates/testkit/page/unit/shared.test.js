// Tabs that share a line, without a browser: the switchboard on ports that are lists, and a feed of a few lines.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseCursor } from '../../../../static/js/tricast/cursor.js';
import { Refused } from '../../../../static/js/tricast/http.js';
import { SILENT_MAX_MS, Switchboard } from '../../../../static/js/tricast/switchboard.js';
import { Tab, UNTAKEN_MAX, WAITING_MAX } from '../../../../static/js/tricast/tab.js';

const id = (offset, epoch = 'k3f4a2bq') => `${epoch}-${offset}`;
const OPTIONS = { url: 'http://feed.example', namespace: 'default' };

/** A server as far as the switchboard sees one: a log, the line that it serves, and its history. */
class World {
  log = [];
  lines = [];
  now = 0;
  locks = new Map();
  /** What the next page waits for. */
  gate = Promise.resolve();
  refused = new Set();

  constructor() {
    this.switchboard = new Switchboard({
      now: () => this.now,
      locks: { request: (name, act) => { this.locks.set(name, act); return new Promise(() => {}); } },
      openLine: (options, ears) => this.line(options, ears),
      page: async (_, after, rooms) => {
        const upto = this.log.length;
        await this.gate;
        const from = after === 'tip' ? upto : after === 'earliest' ? 0 : parseCursor(after).offset;
        const events = this.log.slice(from, Math.min(upto, from + 1000)).filter((event) => rooms.length === 0 || !event.rooms.length || event.rooms.some((room) => rooms.includes(room)));
        return { events, cursor: id(Math.min(upto, from + 1000)), more: from + 1000 < upto };
      },
    });
  }

  line(options, ears) {
    const rooms = new Set(options.rooms);
    const world = this;
    const line = {
      state: 'idle', transport: 'ws', session: 's_1', stats: {}, options, ears, served: 0,
      memory: { learn: () => {} },
      get rooms() { return [...rooms]; },
      start() {
        this.state = 'live';
        this.served = options.after ? parseCursor(options.after).offset : world.log.length;
        ears.state({ do: 'state', state: 'live', from: 'connecting', transport: 'ws' });
        ears.notice('sync', { notice: 'sync', state: options.after ? 'resumed' : 'new', cursor: id(this.served), missed: 0, beat: 15, session: 's_1' });
        this.flow();
      },
      flow() {
        for (const event of world.log.slice(this.served)) if (!event.rooms.length || event.rooms.some((room) => rooms.has(room))) ears.event(event, { transport: 'ws' });
        this.served = world.log.length;
      },
      async join(wanted) {
        if (wanted.some((room) => world.refused.has(room))) throw new Refused({ reason: 'forbidden', retry: 'no' });
        for (const room of wanted) rooms.add(room);
      },
      async leave(unwanted) { for (const room of unwanted) rooms.delete(room); },
      async publish(event) { return [{ id: world.publish(event.rooms ?? []) }]; },
      close() { this.state = 'closed'; },
      check() {},
    };
    this.lines.push(line);
    return line;
  }

  publish(rooms, flowing = true) {
    this.log.push({ id: id(this.log.length + 1), rooms, data: 0 });
    if (flowing) for (const line of this.lines) if (line.state === 'live') line.flow();
    return this.log.at(-1).id;
  }

  tab(name, rooms, after, { lock = undefined, slow = false } = {}) {
    const port = { got: [], onmessage: null, postMessage: (message) => {
      port.got.push(message);
      if (message.do === 'event' && !slow) queueMicrotask(() => say({ do: 'taken', count: 1 }));
    } };
    this.switchboard.call(port);
    const say = (message) => port.onmessage({ data: { ...message, tab: name } });
    say({ do: 'attach', options: OPTIONS, rooms, after, lock });
    return {
      say,
      port,
      get offsets() { return port.got.filter((message) => message.do === 'event').map(({ event }) => parseCursor(event.id).offset); },
      notices: (wanted) => port.got.filter((message) => message.do === 'notice' && message.name === wanted).map(({ detail }) => detail),
      did: (what) => port.got.filter((message) => message.do === what),
    };
  }
}

/** Lets everything happen that waits for nothing but its turn. */
const settle = () => new Promise((resolve) => { setTimeout(resolve, 5); });

test('each tab gets its rooms and the broadcasts, over one line in all of them', async () => {
  const world = new World();
  const [one, two] = [world.tab('1', ['a']), world.tab('2', ['b', 'c'])];
  await settle();
  for (const rooms of [['a'], ['b'], ['a', 'c'], ['d'], []]) world.publish(rooms);
  assert.equal(world.lines.length, 1);
  assert.deepEqual(one.offsets, [1, 3, 5]);
  assert.deepEqual(two.offsets, [2, 3, 5]);
  two.say({ do: 'detach' });
  await settle();
  assert.deepEqual(world.lines[0].rooms, ['a']);
});

test('other options are another line', async () => {
  const world = new World();
  world.tab('1', ['a']);
  const port = { got: [], onmessage: null, postMessage: (message) => port.got.push(message) };
  world.switchboard.call(port);
  port.onmessage({ data: { do: 'attach', tab: '2', options: { ...OPTIONS, transport: 'sse' }, rooms: ['a'] } });
  assert.equal(world.lines.length, 2);
});

test('a tab that comes later starts at the tip, and says from where', async () => {
  const world = new World();
  world.tab('1', ['a']);
  for (let i = 0; i < 5; i += 1) world.publish(['b']);
  const late = world.tab('2', ['b']);
  await settle();
  world.publish(['b']);
  assert.deepEqual(late.notices('sync').map(({ state, cursor, session }) => [state, cursor, session]), [['new', id(5), 's_1']]);
  assert.deepEqual(late.offsets, [6]);
});

test('a tab that goes on from a cursor gets what it missed, then what comes, once and in order, whatever happens meanwhile', async () => {
  const world = new World();
  world.tab('1', ['a']);
  for (let i = 0; i < 2500; i += 1) world.publish(['b']);
  const late = world.tab('2', ['b'], id(10));
  let open;
  world.gate = new Promise((resolve) => { open = resolve; });
  await settle();
  // Published while the page that may or may not have them is on its way.
  for (let i = 0; i < 50; i += 1) world.publish(['b']);
  open();
  await settle();
  world.publish(['b']);
  await settle();
  assert.deepEqual(late.notices('sync').map(({ state }) => state), ['resumed']);
  assert.deepEqual(late.offsets, Array.from({ length: 2541 }, (_, i) => 11 + i));
});

test('a tab that does not take what it is given waits, and reads the rest from the history', async () => {
  const world = new World();
  const [quick, slow] = [world.tab('1', []), world.tab('2', [], undefined, { slow: true })];
  await settle();
  const most = UNTAKEN_MAX * 2;
  for (let i = 0; i < most; i += 1) {
    world.publish([]);
    if (i % 100 === 99) await settle();
  }
  assert.equal(quick.offsets.length, most);
  assert.equal(slow.offsets.length, UNTAKEN_MAX);
  for (let taken = 0; taken < most; taken = slow.offsets.length) {
    slow.say({ do: 'taken', count: slow.offsets.length - taken });
    await settle();
  }
  slow.say({ do: 'taken', count: UNTAKEN_MAX });
  world.publish([]);
  await settle();
  assert.deepEqual(slow.offsets, Array.from({ length: most + 1 }, (_, i) => i + 1));
  assert.deepEqual([slow.notices('gap').length, slow.notices('reset').length], [0, 0]);
});

test('a tab whose room is refused is sent its own way, and the others stay', async () => {
  const world = new World();
  const one = world.tab('1', ['a']);
  world.refused.add('secret');
  const two = world.tab('2', ['secret']);
  await settle();
  assert.equal(two.did('refer').length, 1);
  world.publish(['a']);
  assert.deepEqual(one.offsets, [1]);
  assert.equal(one.did('refer').length, 0);
});

test('a line that ends for a fault of one of several tabs sends each its own way, any other end is everybody’s', async () => {
  for (const [reason, done] of [['bad_request', 'refer'], ['kicked', 'closed']]) {
    const world = new World();
    const tabs = [world.tab('1', ['a']), world.tab('2', ['b'])];
    await settle();
    world.lines[0].ears.closed({ reason, retry: 'no' });
    for (const tab of tabs) assert.equal(tab.did(done).length, 1, reason);
    world.tab('3', ['a']);
    assert.equal(world.lines.length, 2, 'the next one gets a new line');
  }
});

test('a tab that dies is let go: by its lock, or by its silence', async () => {
  const world = new World();
  world.tab('1', ['a']);
  world.tab('2', ['b'], undefined, { lock: 'lock-2' });
  const third = world.tab('3', ['c']);
  await settle();
  world.locks.get('lock-2')();
  await settle();
  assert.deepEqual(world.lines[0].rooms, ['a', 'c']);
  world.now = SILENT_MAX_MS;
  third.say({ do: 'ping' });
  world.switchboard.sweep();
  await settle();
  assert.deepEqual(world.lines[0].rooms, ['c']);
  assert.equal(third.did('here').length, 2);
  const other = world.tab('4', []);
  other.say({ do: 'ping' });
  world.switchboard.call(other.port);
  other.port.onmessage({ data: { do: 'ping', tab: 'nobody' } });
  assert.equal(other.did('gone').length, 1, 'who is not known is told to call again');
});

test('a request of a tab is answered, with its failure where it failed', async () => {
  const world = new World();
  const tab = world.tab('1', ['a']);
  await settle();
  world.refused.add('x');
  tab.say({ do: 'publish', ref: 1, event: { rooms: ['a'] } });
  tab.say({ do: 'join', ref: 2, rooms: ['x'] });
  tab.say({ do: 'join', ref: 3, rooms: ['y'] });
  await settle();
  const answers = Object.fromEntries(tab.did('answer').map(({ ref, value, failure }) => [ref, failure?.reason ?? value]));
  assert.deepEqual(answers, { 1: [{ id: id(1) }], 2: 'forbidden', 3: undefined });
  world.publish(['y']);
  assert.deepEqual(tab.offsets, [1, 2]);
});

/** A tab by itself, and what it said. */
function lone(after) {
  const said = [];
  const tab = new Tab({ post: (message) => said.push(message), rooms: [], after });
  return { tab, said, names: () => said.map(({ do: what, name, event }) => (what === 'event' ? parseCursor(event.id).offset : name)) };
}
const page = (from, to, extra = {}) => ({ events: Array.from({ length: to - from + 1 }, (_, i) => ({ id: id(from + i), rooms: [] })), cursor: id(to), more: false, ...extra });

test('a history that is shorter than the absence is a reset for a tab that comes, a gap for one that fell behind', () => {
  const comer = lone(id(5));
  comer.tab.read();
  comer.tab.page(page(21, 30, { sync: { state: 'reset', cursor: id(20), missed: 15 } }), { session: 's_1', beat: 15 });
  assert.deepEqual(comer.names().slice(0, 3), ['sync', 'reset', 21]);
  assert.deepEqual(comer.said[1].detail, { notice: 'reset', was: id(5), cursor: id(20), missed: 15 });

  const behind = lone();
  behind.tab.synced({ state: 'new', cursor: id(5) });
  behind.tab.read();
  behind.tab.page(page(21, 30, { sync: { state: 'reset', cursor: id(20), missed: 15 } }), {});
  assert.deepEqual(behind.names().slice(0, 3), ['sync', 'gap', 21]);
  const { from, to, local } = behind.said[1].detail;
  assert.deepEqual([from, to, local], [6, 20, true]);
});

test('what waits while the history is read is bounded, and read from the history where it did not fit', () => {
  const { tab, names } = lone(id(0));
  tab.read();
  for (let offset = 1; offset <= WAITING_MAX + 1; offset += 1) tab.offer({ event: { id: id(offset) }, transport: 'ws' });
  assert.equal(tab.page(page(1, 3), {}), false, 'there is more to read');
  tab.taken(3);
  assert.equal(tab.page(page(4, WAITING_MAX + 1), {}), true);
  assert.deepEqual(names().filter((name) => typeof name === 'number'), Array.from({ length: WAITING_MAX + 1 }, (_, i) => i + 1));
});

test('a gap of the line is told as far as the history did not fill it', () => {
  const { tab, said } = lone(id(0));
  tab.read();
  tab.offer({ gap: { notice: 'gap', from: 2, to: 4, cursor: id(4), reason: 'slow' } });
  tab.offer({ gap: { notice: 'gap', from: 5, to: 9, cursor: id(9), reason: 'slow' } });
  tab.offer({ event: { id: id(10) }, transport: 'ws' });
  tab.page(page(1, 6), {});
  const gaps = said.filter(({ name }) => name === 'gap').map(({ detail: { from, to } }) => [from, to]);
  assert.deepEqual(gaps, [[7, 9]]);
  assert.equal(tab.position.after, id(10));
});

test('what the server has lost is told where the history has a hole', () => {
  const { tab, names, said } = lone(id(2));
  tab.read();
  tab.page({ ...page(6, 7), notices: [{ notice: 'gap', from: 3, to: 5, reason: 'engine', cursor: id(5) }] }, {});
  assert.deepEqual(names(), ['sync', 'gap', 6, 7]);
  assert.deepEqual([said[1].detail.from, said[1].detail.to, said[1].detail.reason], [3, 5, 'engine']);
});

test('a tab whose feed is reset while it reads has to read again', () => {
  const { tab } = lone(id(5));
  const round = tab.read();
  assert.equal(tab.synced({ state: 'resumed', cursor: id(9) }), false);
  assert.equal(tab.synced({ state: 'reset', cursor: id(0, 'bbbbbbbb') }), true);
  tab.read();
  assert.equal(tab.isReading(round), false);
});
