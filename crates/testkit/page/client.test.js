// The browser client as another page would use it: by its module alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browser, server } from './browser.js';

let tricast;
let chrome;
let page;
before(async () => {
  tricast = await server();
  chrome = await browser();
  page = await chrome.newPage();
  // A page of the server's own origin that runs nothing.
  await page.goto(new URL('/static/icons/favicon.svg', tricast.url).href);
});
after(async () => {
  await chrome?.close();
  await tricast?.stop();
});

for (const transport of ['ws', 'sse', 'poll', 'auto']) {
  test(`${transport}: what is published comes, and a new connection goes on from the cursor`, async () => {
    const seen = await page.evaluate(async (way) => {
      const { connect } = await import('/static/js/tricast.js');
      const rooms = [`test-${way}`];
      const reading = (options, count) => new Promise((resolve) => {
        const feed = connect({ transport: way, rooms, ...options });
        const texts = [];
        feed.on('test.note', (event) => {
          texts.push(event.data);
          if (texts.length === count) {
            feed.close();
            resolve({ texts, cursor: feed.cursor, used: feed.transport });
          }
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
      const other = connect({ transport: way });
      for (const data of [3, 4, 5]) await publish(other, data);
      other.close();
      const second = await reading({ after: first.cursor }, 3);
      return { first, second };
    }, transport);
    assert.deepEqual(seen.first.texts, [1, 2]);
    assert.deepEqual(seen.second.texts, [3, 4, 5]);
    if (transport === 'auto') assert.equal(seen.first.used, 'ws');
  });
}

test('a change of transport in the middle loses nothing and doubles nothing', async () => {
  const seen = await page.evaluate(async () => {
    const { connect, publish } = await import('/static/js/tricast.js');
    const rooms = ['test-switch'];
    const feed = connect({ transport: 'ws', rooms });
    await new Promise((resolve) => { feed.watch('sync', resolve); });
    const numbers = [];
    const done = new Promise((resolve) => {
      feed.on('test.count', ({ data }) => {
        numbers.push(data);
        if (data === 20) feed.switchTransport('sse');
        if (data === 40) feed.switchTransport('poll');
        if (data === 60) resolve();
      });
    });
    for (let data = 1; data <= 60; data += 1) await publish({}, { type: 'test.count', rooms, data });
    await done;
    const session = feed.session;
    feed.close();
    return { numbers, session };
  });
  assert.deepEqual(seen.numbers, Array.from({ length: 60 }, (_, i) => i + 1));
  assert.match(seen.session, /^s_/);
});

test('for await hands over events until the connection is closed', async () => {
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
    return steps;
  });
  assert.deepEqual(seen, [1, 2, 3]);
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
