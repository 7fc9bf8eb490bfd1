// The scenarios by one click, in one visit, with the textbook's server beside ours: each must end in a sentence, and what the
// sentence says is held against the counters that the page shows. Lengths are the scenarios' own; nothing is asserted of speed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browser, lane, open, server, WAYS } from './browser.js';

// The longest scenario, on a machine that has other things to do.
const END_MS = 90_000;
const BOTS = 300;

let tricast;
let chrome;
let visited;
before(async () => {
  tricast = await server({ TRICAST_LIMITS__CONNECTIONS_MAX: '900' });
  chrome = await browser();
  visited = await open(chrome, tricast.url);
  await visited.page.click('[data-act="textbook"]');
  await visited.page.waitForFunction(() => [...document.querySelectorAll('[data-book]')].every(({ dataset }) => dataset.live === 'true'));
});
after(async () => {
  await visited?.close();
  await chrome?.close();
  await tricast?.stop();
});

/** Plays one to its end; gives its sentence without its name. */
async function play(name) {
  const { page } = visited;
  await page.click(`[data-scene="${name}"]`);
  await page.waitForFunction((scene) => document.querySelector('.scenes').dataset.running === scene, name);
  assert.ok((await page.textContent('[data-x="scene-look"]')).length > 20, 'what to look at');
  await page.waitForFunction(() => document.querySelector('.scenes').dataset.running === '', null, { timeout: END_MS });
  const sentence = await page.textContent('[data-x="scene-result"]');
  // The lanes count an event before they paint it, and the counters that follow are read from what is painted.
  await page.waitForTimeout(1000);
  assert.equal(await page.getAttribute('[data-x="scene-result"]', 'data-scene'), name, sentence);
  assert.doesNotMatch(sentence, /NaN|undefined|[{}]|scene\./);
  for (const way of WAYS) {
    const { lost, doubled } = await lane(page, way);
    assert.match(lost, /^0\??$/, way);
    assert.equal(doubled, '0', way);
  }
  assert.match(sentence, /\b0 lost/);
  return sentence;
}

const counted = (text) => Number(text.replaceAll(',', ''));
const found = (sentence, pattern) => {
  const match = pattern.exec(sentence);
  assert.ok(match, sentence);
  return match.slice(1).map(counted);
};
const book = () => visited.page.evaluate(() => Object.fromEntries(
  Array.from(document.querySelectorAll('[data-book]'), ({ dataset }) => [dataset.book, Number(dataset.lost)]),
));
const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);

test('calm: about two events a second for ten seconds, on every lane', async () => {
  const from = (await lane(visited.page, 'ws')).offset;
  const [events] = found(await play('calm'), /^Calm: ([\d,]+) events; half of them within: Long polling [\d.,]+ ms, SSE [\d.,]+ ms, WebSocket [\d.,]+ ms; /);
  const to = (await lane(visited.page, 'ws')).offset;
  assert.ok(events > 5 && events <= to - from, `${events} of ${to - from}`);
});

test('burst: each lane gets every event', async () => {
  const from = (await lane(visited.page, 'ws')).offset;
  const events = found(await play('burst'), /received: Long polling ([\d,]+), SSE ([\d,]+), WebSocket ([\d,]+); /);
  const to = (await lane(visited.page, 'ws')).offset;
  for (const count of events) assert.ok(count > 100 && count <= to - from, `${events} of ${to - from}`);
});

test('a buffering proxy silences the stream, and the sentence names it', async () => {
  const [silent, together] = found(await play('proxy'), /SSE was silent for ([\d.,]+) s, then ([\d,]+) events came at once/);
  assert.ok(silent > 3 && together > 5, `${silent} s, ${together}`);
});

test('cut: ours catches up with what it missed, the textbook does not', async () => {
  const before = await book();
  const sentence = await play('cut');
  const [missed] = found(sentence, /; ([\d,]+) events came late; /);
  const stamps = await Promise.all(WAYS.map(async (way) => (await lane(visited.page, way)).stamp));
  const caught = stamps.map((stamp) => counted(/· ([\d,]+) events? caught up/.exec(stamp)?.[1] ?? '0'));
  assert.equal(missed, Math.max(...caught), stamps.join(' | '));
  assert.ok(missed > 0);
  const [lost] = found(sentence, /The textbook server beside it lost ([\d,]+)\.$/);
  const now = await book();
  assert.ok(lost > 0 && lost <= sum(now) - sum(before), `${lost} of ${JSON.stringify({ before, now })}`);
  for (const way of WAYS) assert.ok(now[way] > before[way], `${way} of the textbook lost nothing`);
});

test('cut: a lane that was paused by hand is not waited for, and is called so', async () => {
  const { page } = visited;
  await page.click('#lane-sse [data-act="pause"]');
  await page.waitForFunction(() => document.getElementById('lane-sse').dataset.state === 'paused');
  try {
    assert.match(await play('cut'), /Long polling [\d.]+ s, SSE paused, WebSocket [\d.]+ s; /);
  } finally {
    await page.click('#lane-sse [data-act="pause"]');
    await page.waitForFunction(() => document.getElementById('lane-sse').dataset.state === 'live');
  }
});

test('restart: a server that keeps nothing on disk is back, and its lanes say what they cannot know', async () => {
  const [away, told] = found(await play('restart'), /away for ([\d.,]+) s.*; 0 lost as far as is known, ([\d,]+) times told/);
  assert.ok(away > 0 && told >= WAYS.length, `${away} s, ${told} times`);
});

test('a crowd: the sentence names as many clients as are connected', async () => {
  const { max } = await (await fetch(new URL('/demo/bots', tricast.url))).json();
  assert.ok(max > 0 && max < BOTS * 10, `${max}`);
  const [count, wanted] = found(await play('crowd'), /with ([\d,]+) of ([\d,]+) more clients/);
  assert.equal(wanted, max);
  assert.ok(count > 0 && count <= wanted);
});

test('slow: the delay that was set is in the times, and what was set before is set again', async () => {
  // What the page says under the lanes, with the scenario that ran meanwhile.
  await visited.page.evaluate(() => {
    const [said, root] = ['[data-x="verdict"]', '.scenes'].map((selector) => document.querySelector(selector));
    window.verdicts = [];
    new MutationObserver(() => window.verdicts.push([root.dataset.running, said.textContent])).observe(said, { childList: true });
  });
  const medians = found(await play('slow'), /within: Long polling ([\d.,]+) ms, SSE ([\d.,]+) ms, WebSocket ([\d.,]+) ms; /);
  for (const median of medians) assert.ok(median > 50, `${medians}`);
  assert.equal(await visited.page.textContent('[data-x="net-latency_ms"]'), 'none');
  assert.equal(await visited.page.locator('.lane[data-network]').count(), 0);
  // The slow events are no part of the figures any more: for a while there are too few for a sentence.
  const { 'verdict.waiting': waiting } = await (await fetch(new URL('/static/locales/en.json', tricast.url))).json();
  await visited.page.waitForFunction((text) => window.verdicts.slice(window.verdicts.findLastIndex(([running]) => running === 'slow') + 1)
    .some(([, said]) => said === text), waiting);
});

const source = async () => (await (await fetch(new URL('/demo/state', tricast.url))).json()).source;
const setSource = async (change) => {
  const answer = await fetch(new URL('/demo/source', tricast.url), { method: 'PATCH', body: JSON.stringify(change), headers: { 'content-type': 'application/json' } });
  assert.equal(answer.status, 200);
};
/** Until the source is as it should be; the longest lease is a minute. */
async function sourceIs(rate) {
  for (const late = Date.now() + 75_000; ;) {
    const now = await source();
    if (now.rate === rate) return;
    assert.ok(Date.now() < late, `the rate is still ${now.rate}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

test('a scenario whose page is closed, or that a hand disturbs, leaves nothing behind; a second one waits', async () => {
  const { page } = visited;
  const ended = () => page.waitForFunction(() => document.querySelector('.scenes').dataset.running === '');
  const begin = async (one) => {
    await one.click('[data-scene="calm"]');
    await sourceIs(2);
  };
  await setSource({ rate: 7 });
  try {
    const other = await open(chrome, tricast.url);
    await begin(other.page);
    await page.waitForFunction(() => /another page plays “Calm”/.test(document.querySelector('[data-x="scene-look"]').textContent));
    await page.click('[data-scene="burst"]');
    await page.waitForFunction(() => /another page plays a scenario/.test(document.querySelector('[data-x="scene-result"]').textContent));
    await ended();
    await other.page.goto('about:blank');
    await sourceIs(7);
    await other.close();

    for (const disturb of [() => page.click('.hero [data-act="cut-all"]'), () => page.click('#lane-ws [data-act="kill"]'), () => page.keyboard.press('k')]) {
      await begin(page);
      await page.evaluate(() => document.activeElement.blur());
      await disturb();
      await page.waitForFunction(() => /^Calm was ended by something/.test(document.querySelector('[data-x="scene-result"]').textContent));
      await ended();
      await sourceIs(7);
    }
    // A change from elsewhere holds.
    await begin(page);
    await setSource({ rate: 11 });
    await page.waitForFunction(() => /^Calm was ended by something/.test(document.querySelector('[data-x="scene-result"]').textContent));
    await ended();
    await sourceIs(11);
  } finally {
    await setSource({ rate: 2 });
  }
});

test('a scenario begins with what is set and not with what the last one set, and a restart keeps it', async () => {
  const { page } = visited;
  const ended = () => page.waitForFunction(() => document.querySelector('.scenes').dataset.running === '');
  await setSource({ rate: 3 });
  try {
    await page.click('[data-scene="slow"]');
    await sourceIs(5);
    // One slider by hand: it holds, and what the scenario had set of the others does not.
    await page.locator('#net-latency').fill('40');
    await page.waitForFunction(() => /^Slow network was ended by something/.test(document.querySelector('[data-x="scene-result"]').textContent));
    await ended();
    // Longer than a hand's change takes to be sent.
    await page.waitForTimeout(500);
    assert.deepEqual(await page.evaluate(() => ['latency_ms', 'jitter_ms', 'bytes_per_s'].map((name) => document.querySelector(`[data-x="net-${name}"]`).textContent)), ['40 ms', 'none', 'unlimited']);
    await page.locator('#net-latency').fill('0');
    await page.click('[data-scene="slow"]');
    await sourceIs(5);
    await page.click('[data-act="scene-stop"]');
    await ended();
    // At once, before the page has heard again what is set; and its page goes away in the middle.
    const other = await open(chrome, tricast.url);
    await other.page.click('[data-scene="restart"]');
    await other.page.waitForFunction(() => /\d/.test(document.querySelector('[data-act="restart"]').textContent));
    await other.page.goto('about:blank');
    await other.close();
    const answers = () => fetch(new URL('/demo/state', tricast.url)).then(({ ok }) => ok, () => false);
    for (const [isBack, what] of [[false, 'go away'], [true, 'come back']]) {
      for (const late = Date.now() + 30_000; await answers() !== isBack;) {
        assert.ok(Date.now() < late, `the server does not ${what}`);
        await new Promise((resolve) => { setTimeout(resolve, 50); });
      }
    }
    assert.equal((await source()).rate, 3);
  } finally {
    await setSource({ rate: 2 });
  }
});

test('a slider of the network delays the lane it is for, and only that', async () => {
  const { page } = visited;
  await page.selectOption('#net-lane', 'sse');
  await page.locator('#net-latency').fill('1000');
  await page.waitForSelector('#lane-sse[data-network]');
  assert.equal(await page.locator('.lane[data-network]').count(), 1);
  await page.waitForFunction(() => {
    const late = document.querySelector('#lane-sse .log li')?.textContent.match(/\+([\d.,]+)\s*(ms|s)\b/);
    return late && (late[2] === 's' || Number(late[1].replaceAll(',', '')) > 400);
  });
  await page.locator('#net-latency').fill('0');
  await page.waitForSelector('#lane-sse:not([data-network])');
});

test('the adviser answers each case from rows that it shows, and a proxy that buffers changes the answer', async () => {
  const { page } = visited;
  await page.click('.advice > summary');
  const said = () => page.textContent('[data-x="advice-said"]');
  await page.waitForFunction(() => document.querySelectorAll('[data-x="advice-options"] li').length === 3);
  const first = await said();
  assert.ok(first.length > 10, first);
  assert.ok(await page.locator('[data-x="advice-rows"] tr').count() >= 3);
  assert.ok(await page.locator('[data-x="advice-assumptions"] li').count() >= 1);
  assert.match(await page.textContent('[data-x="advice-basis"]'), /\d{4}-\d{2}-\d{2}/);
  await page.selectOption('#advice-proxies', 'buffering');
  await page.waitForFunction((before) => document.querySelector('[data-x="advice-options"] li:has(small)')
    && document.querySelector('[data-x="advice-said"]').textContent !== before, first);
  const sse = page.locator('[data-x="advice-options"] li', { hasText: 'SSE' });
  assert.equal(await sse.getAttribute('data-recommended'), 'false', await said());
  const costs = () => page.textContent('[data-x="advice-options"]');
  const before = await costs();
  await page.fill('#advice-clients', '11');
  await page.waitForFunction((text) => document.querySelector('[data-x="advice-options"]').textContent !== text, before);
  assert.equal(await page.textContent('[data-x="advice-clients"]'), '1,000,000');
});

test('each bot that is shown says whether it has what was sent, and by whom it was left out', async () => {
  const { page } = visited;
  await page.click('.bots > summary');
  await page.locator('#bots').fill('1');
  await page.locator('#bots').dispatchEvent('change');
  await page.waitForFunction(() => document.querySelectorAll('.bot[data-live="true"]').length === 15);
  const send = async () => {
    const told = await page.textContent('[data-x="bots-who"]');
    await page.click('[data-x="send"] [type="submit"]');
    // Of the new event, and whoever is meant has it: no tile is left without an answer.
    await page.waitForFunction((before) => document.querySelector('[data-x="bots-who"]').textContent.split(':')[0] !== before.split(':')[0]
      && [...document.querySelectorAll('.bot')].every(({ title }) => /✓|not in this room|another session|left out/.test(title)), told);
    return page.$$eval('.bot', (tiles) => tiles.map(({ title, textContent }) => ({ title, mark: textContent.slice(1) })));
  };
  await page.selectOption('[name="room"]', 'kitchen');
  const kitchen = await send();
  assert.equal(kitchen.length, 15);
  for (const { title, mark } of kitchen) assert.equal(mark, /, kitchen:/.test(title) ? '✓' : '—', title);
  assert.equal(kitchen.filter(({ mark }) => mark === '✓').length, 3, 'one for each transport');
  assert.match(await page.textContent('[data-x="bots-who"]'), /: 3 of the 3 bots/);

  await page.selectOption('[name="member"]', 'bot-4');
  assert.deepEqual((await send()).flatMap(({ mark }, i) => (mark === '✓' ? [i] : [])), [4]);
  await page.check('[name="to"][value="others"]');
  assert.deepEqual((await send()).flatMap(({ mark, title }, i) => (mark === '—' ? [[i, /left out/.test(title)]] : [])), [[4, true]]);

  await page.locator('.bot').nth(4).click();
  assert.match(await page.textContent('[data-x="bots-detail"]'), /^Bot 5: .*room/);
});

test('what is too much together is refused, and the sliders show what was granted', async () => {
  const { page } = visited;
  // Paused: what could be published is what counts.
  await setSource({ paused: true, rate: 5000, payload: 256 });
  try {
    const said = (part) => page.waitForFunction((name) => /Together too much: .* 320 MB a second/.test(document.querySelector(`[data-x="${name}"]`).textContent), part);
    await page.waitForFunction(() => document.querySelector('[data-x="rate-value"]').textContent === '5,000/s');
    await page.locator('#payload').fill('100');
    await said('controls-said');
    await page.waitForFunction(() => document.querySelector('[data-x="payload-value"]').textContent === '256 B');
    await page.locator('#bots').fill('0');
    await page.locator('#bots').dispatchEvent('change');
    await page.waitForFunction(() => document.querySelectorAll('.bot').length === 0);
    await setSource({ payload: 65_536 });
    await page.locator('#bots').fill('2');
    await page.locator('#bots').dispatchEvent('change');
    await said('bots-said');
    await page.waitForFunction(() => document.getElementById('bots').value === '0');
  } finally {
    await setSource({ paused: false, rate: 2, payload: 256 });
  }
});
