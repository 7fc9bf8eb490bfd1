// What the client keeps: its clock through a sleep, its memory of what failed, its queue for an iterator.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Clock, LEAP_MS } from '../../../../static/js/tricast/clock.js';
import { AGE_MAX_MS, Memory } from '../../../../static/js/tricast/memory.js';
import { Queue } from '../../../../static/js/tricast/queue.js';

const id = (offset, epoch = 'k3f4a2bq') => `${epoch}-${offset}`;

test('the clock goes on while the computer sleeps, and never back', () => {
  let [steady, wall] = [100, 1_000_000];
  const clock = new Clock(() => steady, () => wall);
  assert.equal(clock.now(), 100);
  [steady, wall] = [600, 1_000_500];
  assert.equal(clock.now(), 600);
  wall += 3_600_000;
  assert.equal(clock.now(), 3_600_600);
  assert.equal(clock.takeLeap(), true);
  assert.equal(clock.takeLeap(), false);
  wall -= 7_200_000;
  assert.equal(clock.now(), 3_600_600, 'a wall clock that is set back is no sleep');
  wall += LEAP_MS;
  assert.equal(clock.now(), 3_600_600, 'nor is one that is corrected a little');
  assert.equal(clock.takeLeap(), false);
});

function store() {
  const kept = new Map();
  return { kept, getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
}

test('what failed is remembered by the next page, for that server alone, and no longer than its age', () => {
  const storage = store();
  let [now, wall] = [0, 1_000_000];
  const memory = (base, start) => new Memory(base, { now: () => now - start, wall: () => wall, store: storage });
  memory('http://a.example/v1/feeds/x/', 0).set('ws', 300_000);
  [now, wall] = [10_000, 1_010_000];
  assert.equal(memory('http://a.example/v1/feeds/other/', 10_000).get('ws'), 290_000);
  assert.equal(memory('http://b.example/v1/feeds/x/', 0).get('ws'), undefined);
  wall += 300_000;
  assert.equal(memory('http://a.example/v1/feeds/x/', 0).get('ws'), undefined, 'past');
  memory('http://c.example/', 0).set('sse', Number.MAX_SAFE_INTEGER);
  assert.ok(memory('http://c.example/', 0).get('sse') <= now + AGE_MAX_MS);
  wall -= 86_400_000;
  assert.equal(memory('http://c.example/', 0).get('sse'), undefined, 'a clock that was set back makes nothing last for a day');
});

test('a store that is closed, full or spoilt leaves the page its own memory', () => {
  const closed = { getItem: () => { throw new Error('closed'); }, setItem: () => { throw new Error('full'); } };
  const around = { now: () => 0, wall: () => 5_000 };
  const memory = new Memory('http://closed.example/', { ...around, store: closed });
  memory.set('ws', 100);
  assert.equal(new Memory('http://closed.example/', { ...around, store: closed }).get('ws'), 100);
  assert.equal(new Memory('http://closed.example/', { ...around, store: null }).get('ws'), 100);
  for (const text of ['{', '[]', 'null', '{"ws":"soon"}', '7']) {
    const spoilt = { getItem: () => text, setItem: () => {} };
    assert.equal(new Memory('http://spoilt.example/', { ...around, store: spoilt }).get('ws'), undefined, text);
  }
  memory.clear();
  assert.equal(memory.get('ws'), undefined);
});

const event = (offset, epoch) => ({ id: id(offset, epoch) });
async function drained(queue) {
  const items = [];
  for (let next = await queue.next(); next; next = await queue.next()) items.push(next.item);
  return items;
}

test('a queue that overflows says in its place what went', async () => {
  const queue = new Queue(3);
  for (let offset = 1; offset <= 8; offset += 1) queue.push(event(offset));
  queue.end(null);
  const [gap, ...rest] = await drained(queue);
  assert.deepEqual(gap, { notice: 'gap', reason: 'slow', from: 1, to: 5, count: 5, local: true });
  assert.deepEqual(rest, [event(6), event(7), event(8)]);
});

test('a gap that overflows is part of the gap, and a reset takes what was before it along', async () => {
  const gaps = new Queue(1);
  gaps.push(event(1));
  gaps.push({ notice: 'gap', from: 2, to: 9, reason: 'slow' });
  gaps.push(event(10));
  gaps.push(event(11));
  gaps.end(null);
  assert.deepEqual(await drained(gaps), [{ notice: 'gap', reason: 'slow', from: 1, to: 10, count: 2, local: true }, event(11)]);

  const resets = new Queue(1);
  resets.push(event(5));
  resets.push({ notice: 'reset', was: id(5), cursor: id(0, 'bbbbbbbb'), missed: 0 });
  for (const offset of [1, 2, 3]) resets.push(event(offset, 'bbbbbbbb'));
  resets.end(null);
  assert.deepEqual(await drained(resets), [
    { notice: 'reset', was: id(5), cursor: id(0, 'bbbbbbbb'), missed: null, local: true },
    { notice: 'gap', reason: 'slow', from: 1, to: 2, count: 2, local: true },
    event(3, 'bbbbbbbb'),
  ]);
});

test('an end that was not asked for is thrown after everything was taken', async () => {
  const queue = new Queue(3);
  const waiting = queue.next();
  queue.push(event(1));
  queue.push(event(2));
  queue.end(new Error('replaced'));
  queue.push(event(3));
  assert.deepEqual([(await waiting).item, (await queue.next()).item], [event(1), event(2)]);
  await assert.rejects(queue.next(), /replaced/);
});
