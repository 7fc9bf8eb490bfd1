// The browser client as another page would use it: by its module alone, in each browser.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { server } from './browser.js';
import { ENGINES } from './engines.js';
import { proxy } from './proxy.js';

// A page of the server's own origin that runs nothing.
const BLANK = '/static/icons/favicon.svg';
// No test waits longer for what must come.
const PATIENCE_MS = 30_000;

let tricast;
/** With beats of a second and a short history. */
let brisk;
before(async () => {
  tricast = await server();
  brisk = await server({ TRICAST_STREAM__BEAT_SECS: '1', TRICAST_HISTORY__EVENTS: '50' });
});
after(async () => {
  await tricast?.stop();
  await brisk?.stop();
});

for (const [name, launch] of Object.entries(ENGINES)) describe(name, () => suite(launch));

function suite(launch) {
  let engine;
  let page;
  const visit = async (url) => {
    const visited = await engine.newPage();
    await visited.goto(new URL(BLANK, url).href);
    return visited;
  };
  before(async () => {
    engine = await launch();
    page = await visit(tricast.url);
  });
  after(() => engine?.close());

  /** A page behind a proxy in front of a server. */
  const behind = async (target, act) => {
    const between = await proxy(target.url);
    const visited = await visit(between.url);
    try {
      await act(visited, between);
    } finally {
      await visited.close();
      await between.stop();
    }
  };

  for (const shared of [false, true]) {
    for (const transport of ['ws', 'sse', 'poll', 'auto']) {
      test(`${transport}, ${shared ? 'shared' : 'alone'}: what is published comes, and a new connection goes on from the cursor`, async () => {
        const seen = await page.evaluate(async ({ way, together }) => {
          const { connect } = await import('/static/js/tricast.js');
          const rooms = [`test-${way}-${together}`];
          const reading = (options, count) => new Promise((resolve) => {
            const feed = connect({ transport: way, rooms, shared: together, ...options });
            const texts = [];
            feed.on('test.note', (event) => {
              texts.push(event.data);
              if (texts.length < count) return;
              resolve({ texts, cursor: feed.cursor, used: feed.transport, shared: feed.shared });
              feed.close();
            });
            options.ready?.(feed);
          });
          const publish = (feed, data) => feed.publish({ type: 'test.note', rooms, data });
          const first = await reading({
            ready: (feed) => feed.watch('sync', async () => {
              await publish(feed, 1);
              await publish(feed, 2);
            }),
          }, 2);
          const other = connect({ transport: way, shared: together });
          for (const data of [3, 4, 5]) await publish(other, data);
          other.close();
          const second = await reading({ after: first.cursor }, 3);
          return { first, second };
        }, { way: transport, together: shared });
        assert.deepEqual(seen.first.texts, [1, 2]);
        assert.deepEqual(seen.second.texts, [3, 4, 5]);
        assert.equal(seen.first.shared, shared);
        if (transport === 'auto') assert.equal(seen.first.used, 'ws');
      });
    }
  }

  test('a change of transport in the middle loses nothing and doubles nothing', async () => {
    for (const shared of [false, true]) {
      const numbers = await page.evaluate(async (together) => {
        const { connect, publish } = await import('/static/js/tricast.js');
        const rooms = [`test-switch-${together}`];
        const feed = connect({ transport: 'ws', rooms, shared: together });
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        const seen = [];
        const done = new Promise((resolve) => {
          feed.on('test.count', ({ data }) => {
            seen.push(data);
            if (data === 20) feed.switchTransport('sse');
            if (data === 40) feed.switchTransport('poll');
            if (data === 60) resolve(undefined);
          });
        });
        for (let data = 1; data <= 60; data += 1) await publish({}, { type: 'test.count', rooms, data });
        await done;
        feed.close();
        return seen;
      }, shared);
      assert.deepEqual(numbers, Array.from({ length: 60 }, (_, i) => i + 1), `shared: ${shared}`);
    }
  });

  test('for await hands over events until the connection is closed, and throws where it ends by itself', async () => {
    const seen = await page.evaluate(async () => {
      const { connect, publish } = await import('/static/js/tricast.js');
      const feed = connect({ transport: 'sse', rooms: ['test-iterate'] });
      feed.watch('sync', () => publish({}, [1, 2, 3].map((data) => ({ type: 'test.step', rooms: ['test-iterate'], data }))));
      const steps = [];
      for await (const event of feed) {
        if (event.type !== 'test.step') continue;
        steps.push(event.data);
        if (steps.length === 3) feed.close();
      }
      const nowhere = connect({ namespace: 'no-such-namespace' });
      try {
        for await (const event of nowhere) steps.push(event);
      } catch (error) {
        return { steps, reason: error.failure.reason };
      }
      return { steps };
    });
    assert.deepEqual(seen, { steps: [1, 2, 3], reason: 'not_found' });
  });

  test('an iterator that is too slow is told which events it will not get', async () => {
    const { items, watched } = await page.evaluate(async () => {
      const { connect, publish } = await import('/static/js/tricast.js');
      const rooms = ['test-slow'];
      const feed = connect({ transport: 'ws', rooms, bufferMax: 10, shared: false });
      const gaps = [];
      feed.watch('gap', (gap) => gaps.push(gap));
      await new Promise((resolve) => { feed.watch('sync', resolve); });
      const iterator = feed.withNotices();
      const first = iterator.next();
      const all = new Promise((resolve) => { feed.on('test.last', resolve); });
      const batch = Array.from({ length: 40 }, (_, data) => ({ type: data === 39 ? 'test.last' : 'test.slow', rooms, data }));
      await publish({}, batch);
      await all;
      const found = [(await first).value];
      while (found.at(-1)?.type !== 'test.last') found.push((await iterator.next()).value);
      feed.close();
      return { items: found, watched: gaps.length };
    });
    const place = items.findIndex((item) => item.notice === 'gap');
    assert.ok(place >= 0, JSON.stringify(items));
    const gap = items[place];
    const next = Number(items[place + 1].id.split('-')[1]);
    assert.deepEqual([gap.reason, gap.local, gap.to], ['slow', true, next - 1]);
    assert.equal(items.length - 1, 10 + place);
    assert.equal(watched, 0, 'whoever asked for notices is told once');
  });

  test('a refusal that no retry can help ends the connection and says why', async () => {
    for (const transport of ['sse', 'poll']) {
      const failure = await page.evaluate(async (way) => {
        const { connect } = await import('/static/js/tricast.js');
        const feed = connect({ transport: way, namespace: 'no-such-namespace' });
        return new Promise((resolve) => { feed.watch('close', resolve); });
      }, transport);
      assert.equal(failure.reason, 'not_found', transport);
      assert.equal(failure.status, 404, transport);
    }
  });

  test('rooms are joined and left while connected, on each transport', async () => {
    for (const transport of ['ws', 'sse', 'poll']) {
      const seen = await page.evaluate(async (way) => {
        const { connect, publish } = await import('/static/js/tricast.js');
        const [a, b] = [`test-a-${way}`, `test-b-${way}`];
        const feed = connect({ transport: way, rooms: [a], shared: false });
        const got = [];
        const waiting = new Map();
        feed.on('test.room', ({ data }) => { got.push(data); waiting.get(data)?.(); });
        const until = (data) => new Promise((resolve) => { waiting.set(data, resolve); });
        const send = (room, data) => publish({}, { type: 'test.room', rooms: [room], data });
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        await send(b, 'before');
        await feed.join([b]);
        const joined = until('joined');
        await send(b, 'joined');
        await joined;
        await feed.leave([b]);
        const last = until('last');
        await send(b, 'left');
        await send(a, 'last');
        await last;
        feed.close();
        return { got, rooms: feed.rooms };
      }, transport);
      assert.deepEqual(seen.got, ['joined', 'last'], transport);
      assert.deepEqual(seen.rooms, [`test-a-${transport}`], transport);
    }
  });

  test('a stream that opens and stays mute is left for the next transport, and the next page knows', async () => {
    await behind(tricast, async (visited, between) => {
      Object.assign(between.rules, { ws: 'mute', sse: 'head' });
      const connected = () => visited.evaluate(async () => {
        const { connect } = await import('/static/js/tricast.js');
        const feed = connect({ shared: false, openTimeoutMs: 3000, syncTimeoutMs: 2000 });
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        const { transport } = feed;
        feed.close();
        return transport;
      });
      assert.equal(await connected(), 'poll');
      assert.deepEqual([between.seen.ws, between.seen.sse], [1, 1]);
      await visited.goto(new URL(`${BLANK}?again`, between.url).href);
      assert.equal(await connected(), 'poll');
      assert.deepEqual([between.seen.ws, between.seen.sse], [1, 1], 'what failed is not tried again by the next page');
    });
  });

  test('a stream that falls mute later is left within two beats, and nothing is lost', async () => {
    await behind(brisk, async (visited, between) => {
      between.rules.ws = 'refuse';
      await visited.evaluate(async () => {
        const { connect } = await import('/static/js/tricast.js');
        const feed = connect({ shared: false, rooms: ['test-mute'] });
        const seen = [];
        Object.assign(globalThis, { feed, seen });
        feed.on('test.mute', ({ data }) => seen.push(data));
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        await feed.publish({ type: 'test.mute', rooms: ['test-mute'], data: 1 });
      });
      assert.equal(await visited.evaluate(() => globalThis.feed.transport), 'sse');
      between.rules.sse = 'head';
      between.freeze('sse');
      // Coming back by the same way finds it mute, too.
      await visited.evaluate(async () => {
        const { feed, seen } = globalThis;
        const { publish } = await import('/static/js/tricast.js');
        while (feed.transport !== 'poll' || feed.state !== 'live') await new Promise((resolve) => { setTimeout(resolve, 50); });
        await publish({}, { type: 'test.mute', rooms: ['test-mute'], data: 2 });
        while (seen.length < 2) await new Promise((resolve) => { setTimeout(resolve, 50); });
      });
      assert.deepEqual(await visited.evaluate(() => globalThis.seen), [1, 2]);
      await visited.evaluate(() => globalThis.feed.close());
    });
  });

  test('a line that is cut again and again loses nothing on any transport', async () => {
    for (const transport of ['ws', 'sse', 'poll']) {
      await behind(tricast, async (visited, between) => {
        await visited.evaluate(async (way) => {
          const { connect } = await import('/static/js/tricast.js');
          const rooms = [`test-cut-${way}`];
          const feed = connect({ transport: way, rooms, shared: false, backoff: { baseMs: 50, capMs: 200 } });
          const seen = [];
          Object.assign(globalThis, { seen, feed });
          feed.on('test.cut', ({ data }) => seen.push(data));
          await new Promise((resolve) => { feed.watch('sync', resolve); });
        }, transport);
        for (let i = 0; i < 6; i += 1) {
          const events = Array.from({ length: 10 }, (_, k) => ({ type: 'test.cut', rooms: [`test-cut-${transport}`], data: i * 10 + k }));
          const posted = await fetch(new URL('/v1/feeds/default/events', tricast.url), {
            method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(events),
          });
          assert.equal(posted.status, 201);
          if (i % 2 === 0) between.cut();
        }
        const seen = await visited.evaluate(async (patience) => {
          const late = Date.now() + patience;
          while (globalThis.seen.length < 60 && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 50); });
          globalThis.feed.close();
          return globalThis.seen;
        }, PATIENCE_MS);
        assert.deepEqual(seen, Array.from({ length: 60 }, (_, i) => i), transport);
      });
    }
  });

  test('what the history no longer has is told as a reset, with how many', async () => {
    const visited = await visit(brisk.url);
    for (const shared of [false, true]) {
      const { resets, iterated, seen } = await visited.evaluate(async (together) => {
        const { connect, publish } = await import('/static/js/tricast.js');
        // In every room of the source, so that the numbers have no holes.
        const feed = connect({ shared: together, rooms: ['kitchen', 'builds', 'comments', 'payments', 'alerts'] });
        const told = [];
        const offsets = [];
        const items = [];
        feed.watch('reset', (reset) => told.push({ ...reset, after: offsets.at(-1) }));
        feed.on('*', ({ id }) => offsets.push(Number(id.split('-')[1])));
        const reading = (async () => { for await (const item of feed.withNotices()) items.push(item.notice ?? 'event'); })();
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        feed.pause();
        await publish({}, Array.from({ length: 200 }, (_, data) => ({ type: 'test.flood', data })));
        const done = new Promise((resolve) => { feed.on('test.done', resolve); });
        await publish({}, { type: 'test.done', data: 0 });
        feed.resume();
        await done;
        feed.close();
        await reading;
        return { resets: told, iterated: items, seen: offsets };
      }, shared);
      assert.equal(resets.length, 1, `shared: ${shared}`);
      const [{ was, cursor, missed, after: last }] = resets;
      const [from, to] = [was, cursor].map((text) => Number(text.split('-')[1]));
      assert.equal(to - from, missed);
      assert.ok(missed >= 150, String(missed));
      if (last !== undefined) assert.ok(last <= from);
      const rest = seen.filter((offset) => offset > from);
      assert.deepEqual(rest, Array.from(rest, (_, i) => to + 1 + i), 'all that is retained follows');
      assert.equal(iterated.filter((item) => item === 'reset').length, 1);
    }
    await visited.close();
  });

  test('the network that is back is used at once, and a sleep is noticed', async () => {
    await behind(tricast, async (visited, between) => {
      for (const transport of ['ws', 'sse', 'poll']) {
        await visited.evaluate(async (way) => {
          const { connect } = await import('/static/js/tricast.js');
          // Without the browser's word it would not be tried again for an hour.
          const feed = connect({ transport: way, shared: false, backoff: { baseMs: 3_600_000, capMs: 3_600_000 } });
          Object.assign(globalThis, { feed, syncs: 0 });
          feed.watch('sync', () => { globalThis.syncs += 1; });
          await new Promise((resolve) => { feed.watch('sync', resolve); });
        }, transport);
        between.rules[transport] = 'refuse';
        between.cut();
        await visited.evaluate(async () => {
          while (globalThis.feed.state !== 'waiting') await new Promise((resolve) => { setTimeout(resolve, 20); });
        });
        between.rules[transport] = 'pass';
        await visited.evaluate(async () => {
          const live = new Promise((resolve) => { globalThis.feed.watch('state', ({ state }) => { if (state === 'live') resolve(undefined); }); });
          dispatchEvent(new Event('offline'));
          dispatchEvent(new Event('online'));
          await live;
        });
        // The computer sleeps for a quarter of an hour, and what it was connected to is gone without a word.
        between.freeze();
        await visited.evaluate(async () => {
          const live = new Promise((resolve) => { globalThis.feed.watch('state', ({ state, from }) => { if (state === 'live' && from === 'connecting') resolve(undefined); }); });
          const wall = Date.now;
          Date.now = () => wall() + 900_000;
          // A WebSocket that does not answer its ping waits for its turn like any other failure; the browser's word ends that.
          globalThis.feed.watch('state', ({ state }) => { if (state === 'waiting') setTimeout(() => dispatchEvent(new Event('online')), 50); });
          await live;
          Date.now = wall;
          globalThis.feed.close();
        });
      }
    });
  });

  test('tabs share one connection, each with its rooms, and leave it when they are closed', async () => {
    const namespace = 'default';
    const subscribers = async () => {
      const { subscribers: each } = await (await fetch(new URL(`/v1/feeds/${namespace}`, brisk.url))).json();
      return each.ws + each.sse + each.poll;
    };
    const before = await subscribers();
    const [first, second] = [await visit(brisk.url), await visit(brisk.url)];
    const join = (visited, rooms) => visited.evaluate(async (wanted) => {
      const { connect } = await import('/static/js/tricast.js');
      const feed = connect({ rooms: wanted, label: 'shared-test' });
      const seen = [];
      const problems = [];
      Object.assign(globalThis, { feed, seen, problems });
      feed.on('test.tab', ({ data }) => seen.push(data));
      for (const name of ['gap', 'reset', 'close']) feed.watch(name, (detail) => problems.push({ ...detail, name }));
      await new Promise((resolve) => { feed.watch('sync', resolve); });
      return { session: feed.session, shared: feed.shared };
    }, rooms);
    const [one, two] = [await join(first, ['tab-a']), await join(second, ['tab-b', 'tab-c'])];
    assert.deepEqual([one.shared, two.shared], [true, true]);
    assert.equal(one.session, two.session);
    assert.equal(await subscribers(), before + 1);

    const publish = async (rooms, data) => {
      const response = await fetch(new URL(`/v1/feeds/${namespace}/events`, brisk.url), {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'test.tab', rooms, data }),
      });
      assert.equal(response.status, 201);
    };
    const seen = (visited, count) => visited.evaluate(async ({ least, patience }) => {
      const late = Date.now() + patience;
      while (globalThis.seen.length < least && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 20); });
      return globalThis.seen;
    }, { least: count, patience: PATIENCE_MS });
    for (const [rooms, data] of [[['tab-a'], 1], [['tab-b'], 2], [['tab-a', 'tab-c'], 3], [['tab-d'], 4], [[], 5]]) await publish(rooms, data);
    assert.deepEqual(await seen(first, 3), [1, 3, 5]);
    assert.deepEqual(await seen(second, 3), [2, 3, 5]);

    await first.evaluate(() => globalThis.feed.join(['tab-d']));
    await publish(['tab-d'], 6);
    assert.deepEqual(await seen(first, 4), [1, 3, 5, 6]);

    const rooms = async () => {
      const response = await fetch(new URL(`/v1/feeds/${namespace}/sessions/${one.session}/rooms`, brisk.url), {
        method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{}',
      });
      return (await response.json()).rooms;
    };
    const leaves = async (wanted) => {
      const late = Date.now() + PATIENCE_MS;
      while (JSON.stringify(await rooms()) !== JSON.stringify(wanted) && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 50); });
      assert.deepEqual(await rooms(), wanted);
    };
    // It dies without a word: only the lock that it held tells.
    await first.evaluate(() => { MessagePort.prototype.postMessage = () => {}; });
    await first.close();
    await leaves(['tab-b', 'tab-c']);
    await publish(['tab-b'], 7);
    assert.deepEqual(await seen(second, 4), [2, 3, 5, 7]);
    assert.deepEqual(await second.evaluate(() => globalThis.problems), []);

    const alone = await second.evaluate(async () => {
      const { connect } = await import('/static/js/tricast.js');
      const feed = connect({ label: 'shared-test', shared: false });
      await new Promise((resolve) => { feed.watch('sync', resolve); });
      Object.assign(globalThis, { alone: feed });
      return feed.session;
    });
    assert.notEqual(alone, two.session);
    assert.equal(await subscribers(), before + 2);
    await second.close();
    const late = Date.now() + PATIENCE_MS;
    while (await subscribers() > before && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 50); });
    assert.equal(await subscribers(), before);
  });

  test('tabs that share a connection lose nothing when it is cut, or when one of them comes in the middle', async () => {
    await behind(tricast, async (first, between) => {
      const second = await visit(between.url);
      const follow = (visited, after) => visited.evaluate(async (start) => {
        const { connect } = await import('/static/js/tricast.js');
        const seen = [];
        const feed = connect({ rooms: ['test-tabs'], transport: 'sse', after: start, backoff: { baseMs: 50, capMs: 200 } });
        Object.assign(globalThis, { seen, feed });
        feed.on('test.tabs', ({ data }) => seen.push(data));
        await new Promise((resolve) => { feed.watch('sync', resolve); });
        return { shared: feed.shared, cursor: feed.cursor };
      }, after);
      const { shared, cursor } = await follow(first, 'tip');
      for (let i = 0; i < 8; i += 1) {
        // The second tab comes late, from the cursor at which the first one began.
        if (i === 4) assert.ok((await follow(second, cursor)).shared && shared);
        const events = Array.from({ length: 25 }, (_, k) => ({ type: 'test.tabs', rooms: ['test-tabs'], data: i * 25 + k }));
        const posted = await fetch(new URL('/v1/feeds/default/events', tricast.url), {
          method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(events),
        });
        assert.equal(posted.status, 201);
        if (i % 3 === 1) between.cut();
      }
      for (const visited of [first, second]) {
        const seen = await visited.evaluate(async (patience) => {
          const late = Date.now() + patience;
          while (globalThis.seen.length < 200 && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 50); });
          globalThis.feed.close();
          return globalThis.seen;
        }, PATIENCE_MS);
        assert.deepEqual(seen, Array.from({ length: 200 }, (_, i) => i));
      }
      await second.close();
    });
  });

  test('the isolated page of the demo can share, too', async () => {
    const visited = await engine.newPage();
    await visited.goto(tricast.url);
    const found = await visited.evaluate(async () => {
      const { connect } = await import('/static/js/tricast.js');
      const feed = connect({});
      await new Promise((resolve) => { feed.watch('sync', resolve); });
      const { shared } = feed;
      feed.close();
      return { shared, isolated: globalThis.crossOriginIsolated };
    });
    assert.deepEqual(found, { shared: true, isolated: true });
    await visited.close();
  });

  test('where a SharedWorker cannot be had the tab has its own connection, and nobody notices', async () => {
    for (const broken of ['absent', 'throws', 'silent']) {
      const seen = await page.evaluate(async (how) => {
        const { connect } = await import('/static/js/tricast.js');
        const real = globalThis.SharedWorker;
        const mute = class { port = new MessageChannel().port1; };
        globalThis.SharedWorker = how === 'absent' ? undefined : how === 'throws' ? class { constructor() { throw new Error('no'); } } : mute;
        try {
          const feed = connect({});
          const sync = await new Promise((resolve) => { feed.watch('sync', resolve); });
          const found = { shared: feed.shared, state: sync.state };
          feed.close();
          return found;
        } finally {
          globalThis.SharedWorker = real;
        }
      }, broken);
      assert.deepEqual(seen, { shared: false, state: 'new' }, broken);
    }
  });
}
