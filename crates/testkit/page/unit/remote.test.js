// The near end of a shared line, without a browser: a port that is a list, and timers that a test moves on.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { RemoteLine } from '../../../../static/js/tricast/remote.js';

const id = (offset) => `k3f4a2bq-${offset}`;

/** A tab's end of the line, a worker that says what the test says, and what the tab was told. */
function ends(options = {}) {
  const ports = [];
  const heard = [];
  const openWorker = () => {
    const port = { sent: [], onmessage: null, closed: false, postMessage: (message) => port.sent.push(message), close: () => { port.closed = true; } };
    ports.push(port);
    return { port, onerror: null };
  };
  const line = new RemoteLine({ url: 'http://feed.example', namespace: 'default', rooms: ['a'], ...options }, {
    event: (event) => heard.push(event.id),
    notice: (name) => heard.push(name),
    state: ({ state }) => heard.push(state),
    closed: ({ reason }) => heard.push(`closed: ${reason}`),
    alone: () => heard.push('alone'),
  }, openWorker);
  const say = (message) => {
    const port = ports.at(-1);
    const { tab } = port.sent.findLast((sent) => sent.tab);
    port.onmessage?.({ data: { ...message, tab } });
  };
  const begin = async () => {
    line.start();
    await settle();
    say({ do: 'here' });
    say({ do: 'state', change: { state: 'live', transport: 'sse' }, session: 's_1', member: 'p_1', stats: {} });
    say({ do: 'notice', name: 'sync', detail: { state: 'new', cursor: id(10), session: 's_1' }, cursor: id(10) });
  };
  return { line, ports, heard, say, begin };
}
const settle = async () => { for (let i = 0; i < 10; i += 1) await Promise.resolve(); };
const attached = (port) => port.sent.find((message) => message.do === 'attach');

test('a tab asks for its rooms, follows what it is given, and counts nothing twice', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { line, ports, heard, say, begin } = ends({ label: 'l', transport: 'auto', bufferMax: 3 });
  await begin();
  const { options, rooms, after } = attached(ports[0]);
  assert.deepEqual([options, rooms, after], [{ url: 'http://feed.example', namespace: 'default', transport: 'auto', label: 'l' }, ['a'], 'tip']);
  for (const offset of [11, 12, 12]) say({ do: 'event', event: { id: id(offset) }, transport: 'sse' });
  assert.deepEqual(heard, ['connecting', 'live', 'sync', id(11), id(12), 'duplicate']);
  assert.deepEqual([line.cursor, line.session, line.member, line.transport], [id(12), 's_1', 'p_1', 'sse']);
  line.close();
  assert.deepEqual(heard.slice(-2), ['closed', 'closed: closed']);
  assert.ok(ports[0].closed && ports[0].sent.at(-1).do === 'detach');
  mock.timers.reset();
});

test('a worker that is silent at the start, or stops to answer, is left from the same place', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const mute = ends();
  mute.line.start();
  await settle();
  mock.timers.tick(2_999);
  assert.deepEqual(mute.heard, ['connecting']);
  mock.timers.tick(1);
  assert.deepEqual(mute.heard, ['connecting', 'alone']);

  const dying = ends();
  await dying.begin();
  dying.say({ do: 'event', event: { id: id(11) }, transport: 'ws' });
  for (let i = 0; i < 6; i += 1) {
    mock.timers.tick(10_000);
    dying.say({ do: 'here' });
  }
  assert.ok(!dying.heard.includes('alone'));
  mock.timers.tick(30_000);
  assert.equal(dying.heard.at(-1), 'alone');
  assert.equal(dying.line.cursor, id(11));
  mock.timers.reset();
});

test('a worker that does not know the tab any more is called again from the same place', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { ports, say, begin } = ends();
  await begin();
  say({ do: 'event', event: { id: id(14) }, transport: 'ws' });
  say({ do: 'gone' });
  await settle();
  assert.equal(attached(ports[1]).after, id(14));
  assert.notEqual(attached(ports[1]).tab, attached(ports[0]).tab);
  mock.timers.reset();
});

test('a pause lets go, and goes on from the same place', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { line, ports, heard, say, begin } = ends();
  await begin();
  say({ do: 'event', event: { id: id(11) }, transport: 'ws' });
  line.pause();
  assert.deepEqual([line.state, ports[0].sent.at(-1).do], ['paused', 'detach']);
  let joined = false;
  line.join(['b']).then(() => { joined = true; });
  line.start();
  await settle();
  assert.deepEqual([attached(ports[1]).after, attached(ports[1]).rooms, joined], [id(11), ['a', 'b'], false]);
  say({ do: 'here' });
  say({ do: 'notice', name: 'sync', detail: { state: 'resumed', cursor: id(11) }, cursor: id(11) });
  await settle();
  assert.equal(joined, true);
  assert.equal(heard.at(-1), 'sync');
  line.close();
  mock.timers.reset();
});

test('what is asked is answered, or fails with the connection', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { line, ports, say, begin } = ends();
  await begin();
  const [joined, refused, lost] = [line.join(['b']), line.join(['c']), line.publish({ data: 1 })];
  for (const failing of [refused, lost]) failing.catch(() => {});
  const [first, second] = ports[0].sent.filter((message) => message.do === 'join');
  say({ do: 'answer', ref: first.ref });
  say({ do: 'answer', ref: second.ref, failure: { reason: 'forbidden', retry: 'no' } });
  await joined;
  assert.deepEqual(line.rooms, ['a', 'b']);
  await assert.rejects(refused, { reason: 'forbidden' });
  line.pause();
  await assert.rejects(lost, /went away/);
  mock.timers.reset();
});
