// The page's own figures: what it says about loss, time and bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Account } from '../../../../static/js/page/account.js';
import { isFor, whyNot } from '../../../../static/js/page/audience.js';
import { behind, ByteCost, Latencies, Minute, quantile, utf8Length } from '../../../../static/js/page/figures.js';
import { countAt, placeOf } from '../../../../static/js/page/crowd.js';
import { bars } from '../../../../static/js/page/histogram.js';
import { HOLES_MAX, Integrity, TELLINGS_MAX } from '../../../../static/js/page/integrity.js';
import { Ledger } from '../../../../static/js/page/ledger.js';
import { names } from '../../../../static/js/page/names.js';
import { Outage } from '../../../../static/js/page/outage.js';
import { sparkPaths } from '../../../../static/js/page/spark.js';
import { summed } from '../../../../static/js/page/silence.js';
import { Count } from '../../../../static/js/page/count.js';
import { proxied } from '../../../../static/js/page/api.js';
import { verdict } from '../../../../static/js/page/verdict.js';
import { Dissector } from '../../../../static/js/page/wire.js';

const id = (offset, epoch = 'k3f4a2bq') => `${epoch}-${offset}`;
const bytes = (text) => new TextEncoder().encode(text);

test('quantiles are values that were seen', () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(quantile(sorted, 0.5), 50);
  assert.equal(quantile(sorted, 0.99), 99);
  assert.equal(quantile([7], 0.99), 7);
});

test('a latency leaves the window when it is old', () => {
  const latencies = new Latencies();
  latencies.add(100, 0);
  latencies.add(1, 50_000);
  assert.equal(latencies.quantiles(50_000).p99, 100);
  assert.equal(latencies.quantiles(60_001).p99, 1);
  assert.equal(latencies.quantiles(200_000), null);
});

test('the minute forgets what is older and marks what was down', () => {
  const minute = new Minute();
  minute.saw(5_000, 3);
  minute.saw(5_500, 2);
  minute.down(6_000);
  const seconds = minute.seconds(7_100);
  assert.deepEqual(seconds.slice(-2), [{ worst: 3, down: false }, { worst: 0, down: true }]);
  assert.ok(minute.seconds(70_000).every(({ worst, down }) => worst === 0 && !down));
});

test('a line of the sparkline breaks where the lane was down', () => {
  const up = { worst: 2, down: false };
  const paths = sparkPaths([up, up, { worst: 0, down: true }, up]);
  assert.equal(paths.line.split('M').length - 1, 2);
  assert.equal(paths.down.split('M').length - 1, 1);
});

test('a histogram has ten bars a decade, and what is off the scale is at its ends', () => {
  const counts = bars([0.01, 0.1, 1, 1.05, 10, 999, 5000]);
  assert.equal(counts.length, 40);
  assert.deepEqual([counts[0], counts[10], counts[20], counts[39]], [2, 2, 1, 2]);
  assert.equal(counts.reduce((all, count) => all + count, 0), 7);
});

test('an event is for whom it names, and not for whom it leaves out', () => {
  const bot = { rooms: ['kitchen'], member: 'p_1' };
  assert.ok(isFor({}, bot) && isFor({ room: 'kitchen' }, bot) && isFor({ to: 'p_1' }, bot) && isFor({ except: 'p_2' }, bot));
  assert.ok(!isFor({ room: 'builds' }, bot) && !isFor({ to: 'p_2' }, bot) && !isFor({ except: 'p_1' }, bot));
  assert.ok(isFor({ except: 'p_1' }, { rooms: [] }), 'who has no name yet is not left out');
  assert.deepEqual([whyNot({ to: 'p_2' }), whyNot({ except: 'p_1' }), whyNot({ room: 'builds' })], ['not_named', 'left_out', 'no']);
});

test('a server that counts anew starts the bytes an event anew', () => {
  const cost = new ByteCost();
  cost.sample({ wire: 90_000, events: 100, payload: 20_000 });
  cost.sample({ wire: 500, events: 101, payload: 20_200 });
  assert.equal(cost.perEvent(), null);
  cost.sample({ wire: 1500, events: 103, payload: 20_600 });
  assert.deepEqual(cost.perEvent(), { each: 500, payload: 200, overhead: 300 });
});

test('bytes an event are split into the event and the rest', () => {
  const cost = new ByteCost();
  assert.equal(cost.perEvent(), null);
  cost.sample({ wire: 1000, events: 10, payload: 500 });
  assert.equal(cost.perEvent(), null);
  cost.sample({ wire: 3000, events: 20, payload: 1000 });
  assert.deepEqual(cost.perEvent(), { each: 200, payload: 50, overhead: 150 });
});

test('a text is as long as its UTF-8', () => {
  for (const text of ['plain', 'é', '€', '🙂', 'a é € 🙂 z', '']) assert.equal(utf8Length(text), bytes(text).length, text);
});

test('new races begin without the old ones, and what has arrived is still known', () => {
  const ledger = new Ledger(2);
  ledger.arrive(0, 1, 10, false);
  ledger.arrive(1, 1, 11, false);
  ledger.anew();
  assert.equal(ledger.shares(), null);
  assert.deepEqual(ledger.times(1), [10, 11]);
});

test('a source that misses its times is told by what it makes, and one that keeps up is not', () => {
  const made = (up, published, missed) => ({ up, published, missed });
  assert.equal(behind(made(1000, 100, 5), made(3000, 1700, 9)), 800);
  assert.equal(behind(made(1000, 100, 5), made(3000, 1700, 5)), null);
  assert.equal(behind(null, made(3000, 1700, 9)), null);
  assert.equal(behind(made(9000, 100, 0), made(50, 3, 9)), null, 'another server');
});

test('lanes on one transport are told apart by their numbers', () => {
  const called = (...all) => names(all.map((name) => ({ name })));
  assert.deepEqual(called('Long polling', 'SSE', 'WebSocket'), ['Long polling', 'SSE', 'WebSocket']);
  assert.deepEqual(called('SSE', 'SSE', 'WebSocket'), ['SSE (1)', 'SSE (2)', 'WebSocket']);
});

test('the slider of the bots ends at the first position that has as many as there can be', () => {
  assert.deepEqual([0, 1, 15, 16, 700, 10_000, 10_001, 20_000, 99_999].map(placeOf), [0, 1, 1, 2, 6, 8, 9, 9, 9]);
  assert.deepEqual([countAt(6, 700), countAt(9, 20_000), countAt(1, 700)], [700, 20_000, 15]);
});

test('the ledger tells who was first, by how much, and when all have it', () => {
  const ledger = new Ledger(3);
  assert.deepEqual(ledger.arrive(1, 7, 100, false), { gap: 0, complete: false });
  assert.deepEqual(ledger.arrive(2, 7, 100.5, false), { gap: 0.5, complete: false });
  assert.deepEqual(ledger.arrive(0, 7, 103, false), { gap: 3, complete: true });
  assert.deepEqual(ledger.times(7), [103, 100, 100.5]);
  assert.deepEqual(ledger.shares(), [0, 1, 0]);
});

test('what was caught up with is no race, and a tie is shared', () => {
  const ledger = new Ledger(2);
  ledger.arrive(0, 1, 10, false);
  assert.equal(ledger.arrive(1, 1, 5000, true).complete, false);
  assert.equal(ledger.shares(), null);
  ledger.arrive(0, 2, 20, false);
  ledger.arrive(1, 2, 20, false);
  assert.deepEqual(ledger.shares(), [0.5, 0.5]);
});

test('a ledger that was cleared knows nothing of the offsets of before', () => {
  const ledger = new Ledger(2);
  ledger.arrive(0, 5, 10, false);
  ledger.clear();
  assert.equal(ledger.times(5), null);
  assert.deepEqual(ledger.arrive(1, 5, 5000, false), { gap: 0, complete: false });
});

test('the ledger forgets old offsets and does not mix them up with new ones', () => {
  const ledger = new Ledger(2);
  ledger.arrive(0, 1, 10, false);
  assert.deepEqual(ledger.arrive(0, 1 + 8192, 99, false), { gap: 0, complete: false });
  assert.equal(ledger.times(1), null);
});

test('a hole is lost only if the history says that it was for this lane', () => {
  const lane = new Integrity();
  lane.sync({ state: 'new', cursor: id(10) });
  lane.event(id(11));
  assert.equal(lane.holes.length, 0);
  lane.event(id(15));
  const [hole] = lane.holes;
  assert.deepEqual([hole.from, hole.to], [12, 14]);
  lane.resolve(hole, [id(13), id(16)]);
  assert.deepEqual([lane.lost, lane.unchecked, lane.holes.length], [1, 0, 0]);
});

test('what the server says is gone is lost, what nobody can know is unchecked', () => {
  const lane = new Integrity();
  lane.sync({ state: 'new', cursor: id(10) });
  lane.gap({ from: 11, to: 20, cursor: id(20) });
  lane.event(id(21));
  assert.deepEqual([lane.lost, lane.holes.length], [10, 0]);
  lane.sync({ state: 'reset', cursor: id(90), missed: 5 });
  lane.event(id(91));
  assert.deepEqual([lane.lost, lane.holes.length], [15, 0]);
  lane.sync({ state: 'reset', cursor: id(0, 'aaaaaaaa'), missed: null });
  lane.event(id(100));
  lane.event(id(103));
  lane.resolve(lane.holes[0], null);
  assert.deepEqual([lane.lost, lane.unchecked], [15, 3]);
});

test('what is told is kept by its name, with the exact offsets', () => {
  const lane = new Integrity();
  lane.sync({ state: 'new', cursor: id(10) });
  lane.gap({ from: 11, to: 20, cursor: id(20), reason: 'slow' });
  lane.sync({ state: 'reset', cursor: id(90), missed: 70 });
  lane.event(id(91));
  lane.sync({ state: 'reset', cursor: id(0, 'aaaaaaaa'), missed: null });
  assert.deepEqual(lane.tellings, [
    { kind: 'gap', from: 11, to: 20, reason: 'slow' },
    { kind: 'reset', from: 21, to: 90 },
    { kind: 'epoch', from: 92, to: 0 },
  ]);
  for (let i = 0; i < TELLINGS_MAX; i += 1) lane.gap({ from: 1, to: 1 });
  assert.deepEqual([lane.tellings.length, lane.told], [TELLINGS_MAX, TELLINGS_MAX + 3]);
});

test('an account knows of each offset whether it came, was named as gone, or neither', () => {
  const account = new Account();
  account.start(id(10));
  account.event(id(11));
  account.reset({ was: id(11), cursor: id(14) });
  for (const offset of [15, 17, 17]) account.event(id(offset));
  assert.deepEqual(account.marks(18).map(({ offset, mark }) => [offset, mark]), [
    [11, 'got'], [12, 'told'], [13, 'told'], [14, 'told'], [15, 'got'], [16, 'open'], [17, 'got'], [18, 'open'],
  ]);
  const { tellings, ...sum } = account.sum(18);
  assert.deepEqual(sum, { received: 3, told: 3, silent: 2, doubled: 1 });
  assert.deepEqual(tellings, [{ kind: 'reset', from: 12, to: 14 }]);
  account.gap({ from: 16, to: 18, reason: 'slow' });
  assert.deepEqual([account.sum(18).told, account.sum(18).silent], [5, 0]);
});

test('another numbering names nothing that could be counted', () => {
  const account = new Account();
  account.start(id(10));
  account.reset({ was: id(12), cursor: id(0, 'aaaaaaaa') });
  assert.equal(account.sum(12).told, 0);
  assert.deepEqual(account.tellings, [{ kind: 'epoch', from: 13, to: 0 }]);
});

test('holes are bounded', () => {
  const lane = new Integrity();
  lane.sync({ state: 'new', cursor: id(0) });
  for (let i = 1; i <= HOLES_MAX + 5; i += 1) lane.event(id(i * 2));
  assert.equal(lane.holes.length, HOLES_MAX);
  assert.equal(lane.unchecked, 5);
});

test('an outage ends when the lane has what the feed held, and counts from when the way was free', () => {
  const outage = new Outage();
  outage.expect('cut', 6000);
  outage.begin(1010, { lost: 0, doubled: 2 });
  assert.equal(outage.reopened(), true);
  assert.equal(outage.reopened(), false);
  assert.equal(outage.settle(99, 6400, { lost: 0, doubled: 2 }), null);
  outage.event(6450);
  outage.aim(30);
  assert.equal(outage.settle(29, 6460, { lost: 0, doubled: 2 }), null);
  outage.event(6500);
  const stamp = outage.settle(30, 6600, { lost: 1, doubled: 2 });
  assert.deepEqual(stamp, { kind: 'cut', lost: 1, doubled: 0, told: 0, missed: 2, backMs: 500 });
  assert.equal(outage.active, false);
});

test('a line that breaks by itself counts from the break, also long after a button', () => {
  const outage = new Outage();
  outage.expect('kill', 0);
  outage.begin(60_000, { lost: 0, doubled: 0 });
  outage.aim(5);
  assert.deepEqual(outage.settle(5, 60_200, { lost: 0, doubled: 0 }), { kind: 'lost', lost: 0, doubled: 0, told: 0, missed: 0, backMs: 200 });
});

test('a second break before the lane has caught up is the same outage', () => {
  const outage = new Outage();
  outage.begin(0, { lost: 0, doubled: 0 });
  outage.reopened();
  outage.aim(9);
  outage.relapsed();
  assert.equal(outage.settle(9, 10, { lost: 0, doubled: 0 }), null);
  assert.equal(outage.reopened(), true);
});

test('the verdict says what the figures say, and no more', () => {
  const lane = (way, each, p50, events = 50) => ({ way, name: way, each, p50, events });
  const keys = (...lanes) => verdict(lanes).map(({ key }) => key);
  assert.deepEqual(keys(lane('poll', 1000, 2), lane('sse', 300, 1), lane('ws', 290, 1)), ['verdict.bytes_pair', 'verdict.time_same']);
  assert.deepEqual(keys(lane('poll', 1000, 80), lane('sse', 500, 1), lane('ws', 200, 1)), ['verdict.bytes', 'verdict.time']);
  assert.deepEqual(keys(lane('poll', 1000, 1), lane('sse', 990, 1), lane('ws', 980, 1)), ['verdict.bytes_same', 'verdict.time_same']);
  assert.deepEqual(keys(lane('poll', 1000, 1, 2), lane('sse', 990, 1), lane('ws', 980, 1)), ['verdict.waiting']);
  assert.deepEqual(keys(lane('poll', null, 1), lane('sse', 990, 1), lane('ws', 980, 1)), ['verdict.waiting']);
  assert.equal(verdict([lane('poll', 1000, 2), lane('sse', 300, 1), lane('ws', 250, 1)])[0].values.times, '4.0');
});

const parts = (spans) => spans.map(({ part, text }) => [part, text]);

test('the bytes of a poll are a line, headers and the event', () => {
  const side = new Dissector('poll');
  assert.deepEqual(parts(side.split(bytes('GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n'))), [['line', 'GET /v1 HTTP/1.1\n'], ['header', 'Host: a\n'], ['header', '\n']]);
  const answer = new Dissector('poll');
  answer.split(bytes('HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n'));
  assert.deepEqual(parts(answer.split(bytes('{"events":[]}'))), [['payload', '{"events":[]}']]);
});

test('the bytes of an event stream are chunk sizes, fields and the event', () => {
  const side = new Dissector('sse');
  side.split(bytes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
  assert.deepEqual(parts(side.split(bytes('17\r\nid: a-1\ndata: {"x":1}\n\n\r\n'))), [
    ['chunk', '17\n'], ['field', 'id: a-1\n'], ['field', 'data: '], ['payload', '{"x":1}\n'], ['field', '\n'], ['chunk', '\n'],
  ]);
});

test('a frame is named also where TCP cuts it, and a masked one has its mask', () => {
  const side = new Dissector('ws');
  side.split(bytes('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  const spans = [...side.split(Uint8Array.of(0x81, 5, 0x68, 0x65)), ...side.split(Uint8Array.of(0x6c, 0x6c, 0x6f, 0x8a, 0x80, 1, 2, 3, 4))];
  assert.deepEqual(spans.map(({ part }) => part), ['frame', 'payload', 'payload', 'frame', 'mask']);
  assert.equal(spans[0].note, 'FIN text, 5 B');
  assert.equal(spans[3].note, 'FIN pong, 0 B, masked');
});

test('after skipped bytes nothing is named that is not known', () => {
  const side = new Dissector('ws');
  side.skipped();
  assert.deepEqual(side.split(Uint8Array.of(0x7d, 0x7d)).map(({ part }) => part), ['raw']);
});

test('the parts of a piece are all of its bytes', () => {
  const pieces = ['HTTP/1.1 200 OK\r\nA: b\r\n\r\n10\r\nid: x\ndata: yé', '\n\n\r\n', 'data: z\n\n'];
  const side = new Dissector('sse');
  for (const piece of pieces) {
    assert.equal(side.split(bytes(piece)).reduce((sum, span) => sum + span.bytes, 0), bytes(piece).length);
  }
});

/** One part a byte, whatever the pieces. */
function byByte(way, all, size) {
  const side = new Dissector(way);
  const found = [];
  for (let at = 0; at < all.length; at += size) {
    for (const { part, bytes: count } of side.split(all.subarray(at, at + size))) found.push(...Array(count).fill(part));
  }
  return found.join(' ');
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...(typeof part === 'string' ? bytes(part) : part)]));
const WHOLE = {
  poll: joined('HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"events":[]}', 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
  sse: joined(CHUNKED, '1a\r\nid: a-1\ndata: {"x":"é"}\n\n\r\n', '8\r\n: beat\n\n\r\n', '0\r\n\r\n', CHUNKED),
  ws: joined('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n', [0x81, 2, 0x7b, 0x7d], [0x82, 126, 0, 130], new Uint8Array(130).fill(7), [0x89, 0x81, 1, 2, 3, 4, 9], [0x88, 0]),
};

for (const way of /** @type {const} */ (['poll', 'sse', 'ws'])) {
  test(`the parts of ${way} are the same wherever TCP cuts`, () => {
    const whole = byByte(way, WHOLE[way], WHOLE[way].length);
    assert.equal(whole.split(' ').length, WHOLE[way].length);
    assert.ok(!whole.includes('raw'), whole);
    for (let size = 1; size < 40; size += 1) assert.equal(byByte(way, WHOLE[way], size), whole, `pieces of ${size}`);
  });
}

test('only the value of data is the event, and only the payload of a frame', () => {
  const payload = (way) => {
    const side = new Dissector(way);
    return side.split(WHOLE[way]).filter(({ part }) => part === 'payload').map(({ text }) => text).join('|');
  };
  assert.equal(payload('poll'), '{"events":[]}|{}');
  assert.equal(payload('sse'), '{"x":"é"}\n');
  assert.ok(payload('ws').startsWith('{}|'));
});

test('a silence is measured from end to end, and what came together after it is counted', () => {
  const arrivals = [100, 200, 8200, 8210, 8220, 9000].map((at) => ({ at, ms: at === 8200 ? 8000 : 1 }));
  assert.deepEqual(summed(arrivals, 0, 9500), { count: 6, silence: 8000, together: 3, p50: 1, p99: 8000 });
  assert.deepEqual(summed([], 0, 500), { count: 0, silence: 500, together: 0, p50: null, p99: null });
});

test('loss is counted from the numbers of the source', () => {
  const count = new Count();
  for (const n of [70, 71, 75, 75, 76]) count.event(n);
  assert.deepEqual([count.received, count.lost, count.doubled, count.restarts], [4, 3, 1, 0]);
  count.event(1);
  assert.deepEqual([count.lost, count.restarts], [3, 1], 'a new numbering is no loss that can be counted');
});

test('the sliders are said in the words of the fault proxy', () => {
  assert.deepEqual(proxied({ latency_ms: 301, jitter_ms: 20, bytes_per_s: 0, buffer_ms: 8000 }), {
    up: { latency_ms: 150, jitter_ms: 20 }, down: { latency_ms: 151, jitter_ms: 20, hold: { bytes: 262144, ms: 8000 } },
  });
});
