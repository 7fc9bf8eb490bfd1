// The page in a real browser, against a real server.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { browser, lane, open, reaches, sent, server, stamped, visit as visitWith, WAYS } from './browser.js';

let tricast;
let chrome;
before(async () => {
  tricast = await server();
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await tricast?.stop();
});

const visit = (options, act) => visitWith(chrome, tricast.url, options, act);

// What the browser itself writes when a connection is cut on purpose.
const CUT = /^Failed to load resource: net::|WebSocket connection to '.*' failed/;

/** Whole and without a gap: what a lane shows, newest first. */
function consecutive(ids) {
  const offsets = ids.map((id) => Number(id.split('-')[1]));
  return offsets.every((offset, i) => i === 0 || offset === offsets[i - 1] - 1);
}

async function waitForRows(page, count) {
  await page.waitForFunction((least) => ['poll', 'sse', 'ws']
    .every((way) => document.querySelectorAll(`#lane-${way} .log li`).length >= least), count);
}

async function setSource(change) {
  const response = await fetch(new URL('/demo/source', tricast.url), {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
  assert.equal(response.status, 200);
}

test('three lanes are live on arrival, show the same events, and the console stays empty', async () => {
  await visit({}, async (page, { errors }) => {
    await waitForRows(page, 6);
    const [poll, sse, ws] = await Promise.all(WAYS.map((way) => lane(page, way)));
    const common = (a, b) => a.ids.filter((id) => b.ids.includes(id));
    assert.ok(common(poll, sse).length >= 5, 'long polling and SSE share events');
    assert.ok(common(sse, ws).length >= 5, 'SSE and WebSocket share events');
    for (const { ids } of [poll, sse, ws]) assert.ok(consecutive(ids), ids.join(' '));
    await page.waitForFunction(() => document.querySelector('[data-x="race-n"]').textContent !== '#–');
    await page.waitForFunction(() => !document.querySelector('[data-x="bytes"]').textContent.includes('–'));
    await page.waitForFunction(() => /\d/.test(document.querySelector('[data-x="verdict"]').textContent));
    assert.deepEqual(errors, []);
  });
});

test('after the network was cut every lane is back with nothing lost and nothing doubled', async () => {
  await visit({}, async (page, { errors }) => {
    const before = await Promise.all(WAYS.map((way) => lane(page, way)));
    await page.click('.hero [data-act="cut-all"]');
    await Promise.all(WAYS.map((way) => reaches(page, way, 'down')));
    assert.match(await page.textContent('[data-x="cut-all"]'), /^Network cut/);
    await Promise.all(WAYS.map((way, i) => stamped(page, way, before[i].serial)));
    for (const [i, way] of WAYS.entries()) {
      const now = await lane(page, way);
      assert.match(now.stamp, /^0 lost, 0 duplicated, back after \d+\.\d s · \d+ events? caught up$/, way);
      assert.equal(now.kind, 'good', way);
      assert.equal(now.state, 'live', way);
      assert.ok(now.offset > before[i].offset, way);
      assert.ok(consecutive(now.ids), `${way}: ${now.ids}`);
      assert.equal(now.reconnects, '1', way);
    }
    assert.deepEqual(errors.filter((text) => !CUT.test(text)), []);
  });
});

test('a killed lane comes back by itself and the others notice nothing', async () => {
  await visit({}, async (page) => {
    for (const way of WAYS) {
      const { serial } = await lane(page, way);
      await page.click(`#lane-${way} [data-act="kill"]`);
      await stamped(page, way, serial);
      // Chromium repeats a poll by itself when its kept-alive connection breaks; the page then has nothing to do.
      const words = way === 'poll' ? /^0 lost, 0 duplicated, (back after|mended)/ : /^0 lost, 0 duplicated, back after/;
      assert.match((await lane(page, way)).stamp, words, way);
    }
    for (const way of WAYS) {
      const now = await lane(page, way);
      assert.deepEqual([now.lost, now.doubled, now.serial], ['0', '0', 1], way);
      if (way !== 'poll') assert.equal(now.reconnects, '1', way);
      assert.ok(consecutive(now.ids), way);
    }
  });
});

test('a paused lane stands still, keeps its place and catches up', async () => {
  await visit({}, async (page) => {
    await page.click('#lane-sse [data-act="pause"]');
    await reaches(page, 'sse', 'paused');
    const paused = await lane(page, 'sse');
    const ahead = (await lane(page, 'ws')).offset + 3;
    await page.waitForFunction((offset) => Number(document.getElementById('lane-ws').dataset.cursor.split('-')[1]) >= offset, ahead);
    assert.deepEqual((await lane(page, 'sse')).ids, paused.ids);
    await page.click('#lane-sse [data-act="pause"]');
    await stamped(page, 'sse', paused.serial);
    const resumed = await lane(page, 'sse');
    assert.match(resumed.stamp, /^0 lost, 0 duplicated/);
    assert.ok(resumed.offset >= ahead);
    assert.ok(consecutive(resumed.ids), resumed.ids.join(' '));
  });
});

test('a lane that is switched to another transport loses and doubles nothing, and looks like what it is', async () => {
  await visit({}, async (page, { errors }) => {
    await waitForRows(page, 2);
    for (const [i, way] of ['ws', 'sse', 'poll'].entries()) {
      const before = await lane(page, 'poll');
      await page.selectOption('#lane-poll [data-act="transport"]', way);
      await stamped(page, 'poll', before.serial);
      const now = await lane(page, 'poll');
      assert.match(now.stamp, /^0 lost, 0 duplicated, back after/, way);
      assert.deepEqual([now.state, now.lost, now.doubled, now.serial], ['live', '0', '0', i + 1]);
      assert.ok(consecutive(now.ids), `${way}: ${now.ids}`);
      assert.equal(await page.getAttribute('#lane-poll', 'data-way'), way);
      const name = { ws: 'WebSocket', sse: 'Server-Sent Events', poll: 'Long polling' }[way];
      assert.equal(await page.textContent('#name-poll'), name);
      assert.equal(await page.getAttribute('.track[data-lane="poll"]', 'data-way'), way);
      assert.match(await page.textContent('#panel-poll-code [data-x="code-js"]'), new RegExp(`transport: '${way}'`));
      const { offset } = now;
      await page.waitForFunction((last) => Number(document.getElementById('lane-poll').dataset.cursor.split('-')[1]) > last + 1, offset);
      assert.ok(consecutive((await lane(page, 'poll')).ids), way);
    }
    assert.deepEqual(errors, []);
  });
});

test('the server can be restarted from the page: it goes away, comes back, and every lane names what that means', async () => {
  // Another server than that of the other tests, whose feed would begin anew under them.
  const own = await server({});
  const { page, close } = await open(chrome, own.url);
  try {
    await waitForRows(page, 3);
    const before = await Promise.all(WAYS.map((way) => lane(page, way)));
    const epoch = await page.getAttribute('#lane-ws', 'data-cursor');
    await page.click('[data-act="restart"]');
    await Promise.all(WAYS.map((way) => reaches(page, way, 'down')));
    assert.equal(await fetch(new URL('/healthz', own.url)).then((response) => response.status, () => 'away'), 'away');
    await Promise.all(WAYS.map((way, i) => stamped(page, way, before[i].serial)));
    for (const [i, way] of WAYS.entries()) {
      const now = await lane(page, way);
      assert.match(now.stamp, /^0\? lost, 0 duplicated, back after .*told: the server began a new numbering; what followed #\d+/, way);
      assert.deepEqual([now.kind, now.doubled, now.state], ['told', '0', 'live'], way);
      const place = Number(/what followed #(\d+)/.exec(now.stamp)[1]);
      assert.ok(place >= before[i].offset, `${way}: ${place}`);
    }
    assert.notEqual((await page.getAttribute('#lane-ws', 'data-cursor')).split('-')[0], epoch.split('-')[0]);
    // The race goes on with the new numbers.
    const last = await page.textContent('[data-x="race-n"]');
    await page.waitForFunction((old) => document.querySelector('[data-x="race-n"]').textContent !== old, last);
    await page.waitForFunction(() => document.querySelector('[data-act="restart"]').textContent === 'Restart the server');
  } finally {
    await close();
    await own.stop();
  }
});

test('with a store a restart loses nothing, and the numbering goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tricast-page-'));
  const own = await server({ TRICAST_STORE__PATH: join(folder, 'store') });
  const { page, close } = await open(chrome, own.url);
  try {
    await waitForRows(page, 3);
    const before = await Promise.all(WAYS.map((way) => lane(page, way)));
    const [epoch] = (await page.getAttribute('#lane-ws', 'data-cursor')).split('-');
    await page.click('[data-act="restart"]');
    await Promise.all(WAYS.map((way, i) => stamped(page, way, before[i].serial)));
    for (const [i, way] of WAYS.entries()) {
      const now = await lane(page, way);
      assert.match(now.stamp, /^0 lost, 0 duplicated, back after \d+\.\d s( · \d+ events? caught up)?$/, way);
      assert.deepEqual([now.kind, now.lost, now.doubled], ['good', '0', '0'], way);
      assert.ok(now.offset >= before[i].offset, way);
      assert.ok(consecutive(now.ids), `${way}: ${now.ids}`);
    }
    assert.equal((await page.getAttribute('#lane-ws', 'data-cursor')).split('-')[0], epoch);
  } finally {
    await close();
    await own.stop();
    rmSync(folder, { recursive: true });
  }
});

test('a loss on purpose is named, with the exact offsets, on all three', async () => {
  await visit({}, async (page) => {
    await page.click('.hero [data-act="lose"]');
    await page.waitForFunction(() => [...document.querySelectorAll('[data-loss]')].every(({ dataset }) => ['good', 'bad'].includes(dataset.kind)));
    for (const way of WAYS) {
      const { dataset, text, cells } = await page.evaluate((name) => {
        const row = document.querySelector(`[data-loss="${name}"]`);
        return {
          dataset: { ...row.dataset },
          text: row.querySelector('.loss-text').textContent,
          cells: Array.from(row.querySelectorAll('.cells i'), (cell) => [cell.title, cell.dataset.mark]),
        };
      }, way);
      assert.deepEqual([dataset.kind, dataset.silent, dataset.doubled], ['good', '0', '0'], `${way}: ${text}`);
      const [from, to, told] = [dataset.from, dataset.to, dataset.told].map(Number);
      assert.ok(told >= 5 && to - from + 1 === told, `${way}: ${text}`);
      assert.match(text, new RegExp(`named as gone; 0 lost silently, 0 duplicated · told: #${from} to #${to} are gone`));
      const named = cells.filter(([, mark]) => mark === 'told').map(([title]) => title);
      assert.deepEqual(named, Array.from({ length: told }, (_, i) => `#${from + i}`));
    }
  });
});

test('what is sent to everyone or to a room shows who received it, and when', async () => {
  await visit({}, async (page) => {
    await page.fill('[name="message"]', 'Tea is ready <b>now</b>');
    for (const [, got, words] of await sent(page)) {
      assert.equal(got, 'yes');
      assert.match(words, /^✓ [\d.,]+ ms$/);
    }
    await page.waitForFunction(() => [...document.querySelectorAll('.log [data-own] .row-text')]
      .filter((text) => text.textContent === 'Tea is ready <b>now</b>').length === 3);

    await page.selectOption('[name="room"]', 'kitchen');
    assert.ok((await sent(page)).every(([, got]) => got === 'yes'));

    await page.selectOption('[name="room"]', 'only-sse');
    assert.deepEqual((await sent(page)).map(([way, got]) => [way, got]), [['poll', 'no'], ['sse', 'yes'], ['ws', 'no']]);
    const { offset } = await lane(page, 'ws');
    await page.waitForFunction((last) => Number(document.getElementById('lane-ws').dataset.cursor.split('-')[1]) > last + 2, offset);
    for (const way of WAYS) assert.equal((await lane(page, way)).lost, '0', 'an event for another room is not lost');
  });
});

test('what is sent to one session, or to all but one, is no loss for the others', async () => {
  await visit({}, async (page) => {
    const got = async () => (await sent(page)).map(([way, state, words]) => [way, state === 'no' ? words : state]);
    await page.selectOption('[name="member"]', 'sse');
    assert.deepEqual(await got(), [['poll', 'for another session'], ['sse', 'yes'], ['ws', 'for another session']]);
    assert.match(await page.textContent('[data-x="who-event"]'), /^#[\d,]+ to SSE alone/);
    await page.check('[name="to"][value="others"]');
    await page.selectOption('[name="member"]', 'ws');
    assert.deepEqual(await got(), [['poll', 'yes'], ['sse', 'yes'], ['ws', 'left out']]);
    await page.click('[data-act="curl"]');
    assert.match(await page.textContent('[data-x="curl"]'), /"except":"p_[\w-]+"/);
    const { offset } = await lane(page, 'poll');
    await page.waitForFunction((last) => ['poll', 'sse', 'ws'].every((way) => Number(document.getElementById(`lane-${way}`).dataset.cursor.split('-')[1]) > last + 2), offset);
    // A second later the holes have been looked into.
    await page.waitForTimeout(1500);
    for (const way of WAYS) assert.equal((await lane(page, way)).lost, '0', way);
  });
});

test('the send bar writes its event as a command that can be typed', async () => {
  await visit({}, async (page) => {
    await page.fill('[name="message"]', "It's here");
    await page.click('[data-act="curl"]');
    const command = await page.textContent('[data-x="curl"]');
    assert.match(command, /^curl 'http:\/\/[^']+\/v1\/feeds\/default\/events'/);
    assert.ok(command.includes(String.raw`It'\''s here`), command);
  });
});

test('a burst arrives whole in every lane', async () => {
  await visit({}, async (page) => {
    await page.click('[data-act="burst"]');
    await page.waitForFunction(() => ['poll', 'sse', 'ws'].every((way) => /\d/.test(document.querySelector(`#lane-${way} [data-x="more"]`).textContent)));
    for (const way of WAYS) {
      const now = await lane(page, way);
      assert.equal(now.ids.length, 50, 'rows are bounded');
      assert.ok(consecutive(now.ids), way);
    }
  });
});

test('the rate and the payload can be changed while it runs', async () => {
  try {
    await visit({}, async (page) => {
      await page.locator('#rate').fill('50');
      await page.waitForFunction(async () => {
        const state = await (await fetch('/demo/state')).json();
        return state.source.rate > 40;
      });
      await page.locator('#payload').fill('60');
      await page.waitForFunction(async () => {
        const state = await (await fetch('/demo/state')).json();
        return state.source.payload > 2000;
      });
      await page.waitForFunction(() => /KB/.test(document.querySelector('#lane-ws [data-x="payload"]').textContent));
    });
  } finally {
    await setSource({ rate: 2, payload: 256 });
  }
});

test('the feed can be paused and resumed', async () => {
  try {
    await visit({}, async (page) => {
      await page.click('[data-act="source"]');
      await page.waitForFunction(() => document.querySelector('[data-x="feed"]').textContent === 'paused');
      await page.click('[data-act="source"]');
      const { offset } = await lane(page, 'poll');
      await page.waitForFunction((last) => Number(document.getElementById('lane-poll').dataset.cursor.split('-')[1]) > last, offset);
    });
  } finally {
    await setSource({ paused: false });
  }
});

test('a press turns the minute into a histogram, and back', async () => {
  await visit({}, async (page) => {
    const shown = (part) => page.isVisible(`#lane-sse [data-x="${part}"]`);
    assert.deepEqual([await shown('spark'), await shown('histogram')], [true, false]);
    await page.click('#lane-sse [data-act="face"]');
    assert.deepEqual([await shown('spark'), await shown('histogram'), await shown('scale')], [false, true, true]);
    await page.waitForFunction(() => /^M/.test(document.querySelector('#lane-sse .histogram-bars').getAttribute('d') ?? ''));
    assert.equal(await page.getAttribute('#lane-sse .histogram-marks', 'd').then((d) => d.split('M').length - 1), 2);
    assert.ok(await page.isVisible('#lane-ws [data-x="spark"]'), 'the others stay as they are');
    await page.click('#lane-sse [data-act="face"]');
    assert.deepEqual([await shown('spark'), await shown('histogram')], [true, false]);
  });
});

test('what is loaded later can be moved when something listens to it, and not before', async () => {
  const context = await chrome.newContext();
  const gates = {};
  const page = await context.newPage();
  try {
    for (const name of ['network', 'bots', 'advice']) {
      const opened = new Promise((resolve) => { gates[name] = resolve; });
      await page.route(`**/page/${name}.js`, async (route) => {
        await opened;
        await route.continue();
      });
    }
    await page.goto(tricast.url);
    await page.waitForFunction(() => document.documentElement.dataset.ready === 'true');
    for (const [name, moved, told] of [['network', '#net-latency', 'net-latency_ms'], ['bots', '#bots', 'bots-count'], ['advice', '#advice-clients', 'advice-clients']]) {
      await page.$eval(`details.${name}`, (part) => { part.open = true; });
      const before = await page.textContent(`[data-x="${told}"]`);
      assert.ok(await page.isDisabled(moved), name);
      const filled = page.locator(moved).fill('2');
      gates[name]();
      await filled;
      await page.waitForFunction(([part, text]) => document.querySelector(`[data-x="${part}"]`).textContent !== text, [told, before]);
      assert.equal(await page.locator(`.${name} :disabled`).count(), 0, name);
    }
  } finally {
    for (const open of Object.values(gates)) open();
    await context.close();
    await fetch(new URL('/demo/bots', tricast.url), { method: 'PUT', body: '{"count":0}' });
  }
});

test('polls are parked for as long as the slider says, from the next one on', async () => {
  try {
    await visit({}, async (page) => {
      await setSource({ paused: true });
      const asked = page.waitForRequest((request) => request.url().includes('/poll?') && /[?&]wait=1(&|$)/.test(request.url()));
      await page.locator('#poll-wait').fill('1');
      await page.locator('#poll-wait').dispatchEvent('change');
      assert.equal(await page.textContent('[data-x="poll-wait"]'), '1 s');
      // The poll that is parked now keeps its own time; an event ends it.
      await page.click('[data-x="send"] [type="submit"]');
      await asked;
      const requests = () => page.$eval('#lane-poll [data-x="requests"]', (node) => Number(node.textContent));
      const before = await requests();
      await page.waitForFunction((least) => Number(document.querySelector('#lane-poll [data-x="requests"]').textContent) >= least, before + 3);
      const { lost, doubled, reconnects } = await lane(page, 'poll');
      assert.deepEqual([lost, doubled, reconnects], ['0', '0', '0']);
    });
  } finally {
    await setSource({ paused: false });
  }
});

test('the Wire tab shows the bytes and the Code tab shows how', async () => {
  await visit({}, async (page) => {
    for (const way of WAYS) await page.click(`#tab-${way}-wire`);
    for (const [way, part] of [['poll', 'header'], ['sse', 'field'], ['ws', 'frame']]) {
      await page.waitForSelector(`#lane-${way} .w-${part}`);
      await page.waitForSelector(`#lane-${way} .w-payload`);
    }
    const names = await page.$$eval('#lane-ws [data-x="wire"] pre > span', (spans) => spans.map(({ title }) => title));
    assert.ok(names.length > 0);
    for (const name of names) assert.match(name, /\S.* · [\d.,]+\s?[KM]?B$/, 'a span without a name or a length');
    await page.check('#lane-ws [data-x="wire-dim"]');
    const colour = (part) => page.$eval(`#lane-ws .w-${part}`, (span) => getComputedStyle(span).color + getComputedStyle(span).opacity);
    assert.notEqual(await colour('payload'), await colour('frame'));
    await page.check('#lane-ws [data-x="wire-hex"]');
    assert.match(await page.textContent('#lane-ws .w-frame'), /^81 /);
    await page.click('#tab-ws-code');
    assert.match(await page.textContent('#lane-ws [data-x="code-cli"]'), /^tricast subscribe http.* --transport ws/);
    await page.focus('#tab-ws-code');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.getAttribute('#tab-ws-events', 'aria-selected'), 'true');
  });
});

test('the time from publish to paint at 50 events a second is printed', async (t) => {
  try {
    await visit({}, async (page) => {
      await setSource({ rate: 50 });
      await page.waitForTimeout(15_000);
      const p99 = await page.getAttribute('[data-x="paint"]', 'data-p99');
      assert.ok(Number(p99) > 0);
      t.diagnostic(`publish to paint, p99 at 50 events/s: ${p99} ms`);
    });
  } finally {
    await setSource({ rate: 2 });
  }
});
