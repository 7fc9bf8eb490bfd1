// The connection's state machine, walked through time without a browser, a socket or a clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { delayMs, BACKOFF } from '../../../../static/js/tricast/backoff.js';
import { Machine } from '../../../../static/js/tricast/machine.js';
import { fromNotice } from '../../../../static/js/tricast/reasons.js';

const NETWORK = { reason: 'network', retry: 'yes' };
const id = (offset, epoch = 'k3f4a2bq') => `${epoch}-${offset}`;
const sync = (cursor, state = 'new') => ({ session: 's_1', cursor, state, missed: 0, beat: 15 });
const machine = (options = {}) => new Machine({ memory: new Map(), random: () => 0.5, ...options });
const opened = (effects) => effects.find((effect) => effect.do === 'open');

/** A machine that is live at time zero, with everything up to offset 10. */
function live(options) {
  const subject = machine({ transport: 'sse', ...options });
  subject.start(0);
  subject.sync(sync(id(10)), 0);
  return subject;
}

test('a stream goes on after the last event that arrived', () => {
  const subject = live();
  assert.ok(subject.event(id(11), 1));
  assert.ok(subject.event(id(12), 2));
  const wait = subject.lost(NETWORK, 100).find((effect) => effect.do === 'state').delayMs;
  assert.equal(subject.state, 'waiting');
  assert.deepEqual(subject.timer(100 + wait - 1), []);
  const open = opened(subject.timer(100 + wait));
  assert.equal(open.after, id(12));
  assert.equal(open.session, 's_1');
});

test('an offset is taken once, on whatever transport it comes', () => {
  const subject = live();
  subject.event(id(11), 1);
  subject.switchTo('poll', 2);
  subject.sync(null, 3);
  assert.equal(subject.event(id(11), 4), false);
  assert.equal(subject.event(id(12), 5), true);
  assert.equal(subject.duplicates, 1);
});

test('beats and gaps move the cursor forward, never back and never into another epoch', () => {
  const subject = live();
  subject.reached(id(20), 1);
  assert.equal(subject.position.after, id(20));
  subject.reached(id(5), 2);
  subject.reached(id(99, 'aaaaaaaa'), 2);
  subject.reached('nonsense', 2);
  assert.equal(subject.position.after, id(20));
});

test('after a reset the position is where the server says, even if it is earlier', () => {
  const subject = live();
  subject.lost(NETWORK, 1);
  subject.timer(10_000);
  subject.sync(sync(id(3, 'bbbbbbbb'), 'reset'), 10_001);
  assert.equal(subject.position.after, id(3, 'bbbbbbbb'));
  assert.ok(subject.event(id(4, 'bbbbbbbb'), 10_002));
});

test('a resumed stream never loses the place to an older cursor', () => {
  const subject = live();
  subject.event(id(15), 1);
  subject.sync(sync(id(12), 'resumed'), 2);
  assert.equal(subject.position.after, id(15));
});

test('a stream without a sign of life for two beats is left', () => {
  const subject = live();
  assert.equal(subject.deadline, 30_000);
  subject.reached(id(11), 15_000);
  assert.deepEqual(subject.timer(30_000), []);
  const effects = subject.timer(45_000);
  assert.equal(subject.state, 'waiting');
  assert.equal(effects.find((effect) => effect.do === 'state').failure.reason, 'mute');
});

const did = (effects) => effects.map((effect) => effect.do);

test('after a sleep a WebSocket is asked whether it lives, and left where it does not answer', () => {
  const subject = live({ transport: 'ws' });
  const hour = 3_600_000;
  assert.deepEqual(did(subject.timer(hour)), ['ping']);
  assert.equal(subject.deadline, hour + subject.probeMs);
  assert.deepEqual(subject.timer(hour + subject.probeMs - 1), []);
  subject.timer(hour + subject.probeMs);
  assert.equal(subject.state, 'waiting');
  assert.equal(subject.misses.size + subject.mutes.size, 0, 'a sleep does not speak against the transport');

  const answered = live({ transport: 'ws' });
  answered.timer(hour);
  answered.reached(null, hour + 1);
  assert.equal(answered.state, 'live');
  assert.equal(answered.deadline, hour + 1 + 30_000);
  assert.equal(answered.position.after, id(10));
});

test('after a sleep the others come back at once from the same cursor', () => {
  for (const transport of ['sse', 'poll']) {
    const subject = live({ transport });
    const effects = subject.timer(3_600_000);
    assert.deepEqual(did(effects), ['abort', 'state', 'open'], transport);
    assert.equal(opened(effects).after, id(10));
  }
});

test('a sleep while it connects speaks against no transport', () => {
  const memory = new Map();
  const subject = machine({ memory });
  subject.start(0);
  assert.equal(opened(subject.timer(3_600_000)).transport, 'ws');
  assert.equal(memory.size, 0);
});

test('a look changes nothing while proofs of life are fresh, and another network counts for none', () => {
  const subject = live({ transport: 'sse' });
  subject.reached(id(11), 10_000);
  assert.deepEqual(subject.check(20_000), []);
  assert.deepEqual(did(subject.check(26_001)), ['abort', 'state', 'open']);
  const moved = live({ transport: 'sse' });
  assert.deepEqual(moved.cameOnline(1), [], 'it was opened in this moment');
  assert.deepEqual(did(moved.cameOnline(2_000)), ['abort', 'state', 'open']);
});

test('without a network it waits for the word that it is back, and blames nobody', () => {
  const memory = new Map();
  const subject = machine({ memory });
  subject.start(0);
  subject.wentOffline(1);
  for (let now = 1; now < 200_000; now = subject.deadline ?? now) {
    subject.lost(NETWORK, now);
    assert.equal(subject.deadline, now + BACKOFF.capMs);
    assert.equal(opened(subject.timer(subject.deadline)).transport, 'ws');
  }
  assert.equal(memory.size, 0);
  subject.lost(NETWORK, 300_000);
  assert.equal(opened(subject.cameOnline(300_001)).transport, 'ws');
});

test('a delay that the server asked for outlasts the browser’s news', () => {
  const subject = live();
  subject.lost(fromNotice({ reason: 'draining', retry_after_ms: 4000 }), 0);
  assert.deepEqual(subject.cameOnline(1), []);
  assert.deepEqual(subject.check(3999), []);
  assert.ok(opened(subject.timer(subject.deadline)));
});

test('an open stream has a short time to its first word, and one that never opened the longer one', () => {
  const subject = machine();
  subject.start(0);
  subject.opened(9_000);
  assert.equal(subject.deadline, 10_000, 'never later than without an answer');
  const prompt = machine();
  prompt.start(0);
  prompt.opened(100);
  assert.equal(prompt.deadline, 100 + prompt.syncTimeoutMs);
  prompt.timer(100 + prompt.syncTimeoutMs);
  assert.equal(opened(prompt.timer(prompt.deadline)).transport, 'sse');
});

test('a long answer lives as long as more of it comes', () => {
  const subject = machine({ transport: 'poll' });
  subject.start(0);
  subject.progress(9_000);
  assert.deepEqual(subject.timer(10_000), []);
  subject.sync(sync(id(1)), 12_000);
  assert.equal(subject.state, 'live');
});

test('a stream that was mute from its first word on is left at once, one that carried something at the second time', () => {
  const memory = new Map();
  const silent = machine({ memory });
  silent.start(0);
  silent.sync(sync(id(1)), 1);
  silent.timer(silent.deadline);
  assert.equal(opened(silent.timer(silent.deadline)).transport, 'sse');

  const flowing = machine();
  flowing.start(0);
  flowing.sync(sync(id(1)), 1);
  flowing.event(id(2), 2);
  flowing.timer(flowing.deadline);
  let now = flowing.deadline;
  assert.equal(opened(flowing.timer(now)).transport, 'ws');
  flowing.opened(now);
  now = flowing.deadline;
  flowing.timer(now);
  assert.equal(flowing.deadline, now, 'and without a pause');
  assert.equal(opened(flowing.timer(now)).transport, 'sse');
});

test('every connection has the next number', () => {
  const subject = live({ turn: 40 });
  const turns = [];
  subject.lost(NETWORK, 1);
  turns.push(opened(subject.timer(10_000)).turn);
  turns.push(opened(subject.switchTo('ws', 10_001)).turn);
  assert.deepEqual(turns, [41, 42]);
});

test('a reset says what the place was and what is gone', () => {
  const subject = live();
  subject.lost(NETWORK, 1);
  subject.timer(10_000);
  const effects = subject.sync({ ...sync(id(25), 'reset'), missed: 15 }, 10_001);
  assert.deepEqual(effects.find((effect) => effect.do === 'reset'), { do: 'reset', was: id(10), cursor: id(25), missed: 15 });
  assert.deepEqual(did(live().sync(sync(id(10), 'resumed'), 1)), []);
});

test('the delay doubles while it fails, and starts afresh after a stream that held', () => {
  const subject = live();
  const delays = [];
  let now = 10_000;
  for (let i = 0; i < 4; i += 1) {
    const { delayMs: wait } = subject.lost(NETWORK, now).find((effect) => effect.do === 'state');
    delays.push(wait);
    now += wait;
    subject.timer(now);
  }
  assert.deepEqual(delays, [125, 250, 500, 1000]);
  subject.sync(sync(id(10), 'resumed'), now);
  subject.lost(NETWORK, now + 5000);
  assert.equal(subject.deadline, now + 5000 + 125);
});

test('a stream that breaks at once does not reset the delay', () => {
  const subject = live();
  subject.lost(NETWORK, 10);
  subject.timer(10_000);
  subject.sync(sync(id(10), 'resumed'), 10_000);
  subject.lost(NETWORK, 10_001);
  assert.equal(subject.deadline, 10_001 + 250);
});

test('reasons decide whether to come back', () => {
  for (const [reason, state] of [['replaced', 'closed'], ['kicked', 'closed'], ['unauthorized', 'closed'], ['slow_consumer', 'waiting'], ['draining', 'waiting'], ['unheard_of', 'waiting']]) {
    const subject = live();
    const effects = subject.lost(fromNotice({ reason }), 10);
    assert.equal(subject.state, state, reason);
    assert.equal(effects.some((effect) => effect.do === 'close'), state === 'closed', reason);
  }
});

test('a delay that the server asks for is the least, and bounded', () => {
  const subject = live();
  subject.lost(fromNotice({ reason: 'draining', retry_after_ms: 4000 }), 0);
  assert.equal(subject.deadline, 4000 + 125);
  assert.equal(delayMs(0, 1e12, BACKOFF, () => 0), BACKOFF.retryAfterMaxMs);
  assert.equal(delayMs(50, undefined, BACKOFF, () => 1), BACKOFF.capMs);
  assert.equal(delayMs(50, undefined, BACKOFF, () => 0), 0);
});

test('auto tries WebSocket, then SSE, then polling, without a pause between them', () => {
  const subject = machine();
  assert.equal(opened(subject.start(0)).transport, 'ws');
  subject.lost(NETWORK, 1);
  assert.equal(opened(subject.timer(1)).transport, 'sse');
  // A proxy that buffers: the answer begins, and nothing follows.
  subject.timer(1 + subject.openTimeoutMs);
  assert.equal(opened(subject.timer(1 + subject.openTimeoutMs)).transport, 'poll');
});

test('what failed is remembered, also by the next connection, and forgiven in time', () => {
  const memory = new Map();
  const first = machine({ memory });
  first.start(0);
  first.lost(NETWORK, 1);
  first.timer(1);
  first.sync(sync(id(1)), 2);
  const second = machine({ memory });
  assert.equal(opened(second.start(1000)).transport, 'sse');
  const later = machine({ memory });
  assert.equal(opened(later.start(1 + later.memoryMs)).transport, 'ws');
});

test('where everything fails the network is at fault and nothing is remembered', () => {
  const memory = new Map();
  const subject = machine({ memory });
  let now = 0;
  const tried = [opened(subject.start(now)).transport];
  for (let i = 0; i < 5; i += 1) {
    subject.lost(NETWORK, now);
    now = subject.deadline;
    tried.push(opened(subject.timer(now)).transport);
  }
  assert.deepEqual(tried, ['ws', 'sse', 'poll', 'ws', 'sse', 'poll']);
});

test('a transport that has worked is not given up for one failure', () => {
  const subject = machine();
  subject.start(0);
  subject.sync(sync(id(1)), 1);
  subject.lost(NETWORK, 10_000);
  assert.equal(opened(subject.timer(20_000)).transport, 'ws');
  subject.lost(NETWORK, 20_001);
  assert.equal(opened(subject.timer(40_000)).transport, 'ws');
  subject.lost(NETWORK, 40_001);
  assert.equal(opened(subject.timer(80_000)).transport, 'sse');
});

test('a refusal that the server states speaks for the transport', () => {
  const memory = new Map();
  const subject = machine({ memory });
  subject.start(0);
  subject.lost({ reason: 'too_many_connections', retry: 'yes', stated: true }, 1);
  assert.equal(memory.size, 0);
});

test('a pause keeps the place; a close is for good; news of an end changes neither', () => {
  const subject = live();
  subject.event(id(11), 1);
  subject.pause();
  assert.equal(subject.deadline, null);
  assert.deepEqual(subject.lost(NETWORK, 2), []);
  assert.equal(opened(subject.start(3)).after, id(11));
  subject.close();
  assert.deepEqual(subject.start(4), []);
  assert.deepEqual(subject.switchTo('ws', 4), []);
  assert.deepEqual(subject.close(), []);
});

test('a reconnection counts when it succeeds', () => {
  const subject = live();
  assert.equal(subject.reconnects, 0);
  subject.lost(NETWORK, 1);
  subject.timer(10_000);
  subject.lost(NETWORK, 10_001);
  subject.timer(20_000);
  assert.equal(subject.reconnects, 0);
  subject.sync(sync(id(10), 'resumed'), 20_001);
  assert.equal(subject.reconnects, 1);
});

test('a poll may be parked for longer, or less long, from the next request on', () => {
  const subject = live({ transport: 'poll', pollWaitMs: 2_000, openTimeoutMs: 1_000 });
  const deadline = () => subject.deadline;
  assert.equal(deadline(), 3_000);
  subject.asked(2_000, 1_000);
  assert.equal(deadline(), 3_000, 'the same wait says nothing new');
  subject.asked(25_000, 1_000);
  assert.equal(deadline(), 27_000);
  subject.asked(1_000, 2_000);
  assert.equal(deadline(), 4_000);
});
