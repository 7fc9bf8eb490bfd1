// The console in a real browser: what it shows is what the server says, and what it does is done.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import AxeBuilder from '@axe-core/playwright';

import { browser, open, reaches, server } from './browser.js';

const TOKEN = 'correct-horse-battery';

let folder;
let tricast;
let guarded;
let chrome;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tricast-console-'));
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  tricast = await server();
  guarded = await server({ TRICAST_ADMIN__TOKEN_FILE: join(folder, 'token') });
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await tricast?.stop();
  await guarded?.stop();
  rmSync(folder, { recursive: true });
});

/** Opens a server's console and waits until it has asked once. */
async function visit(url, options, act) {
  const context = await chrome.newContext({ viewport: { width: 1440, height: 1000 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  try {
    await page.goto(new URL('/admin', url).href);
    await page.waitForFunction(() => document.documentElement.dataset.ready === 'true');
    await act(page, errors);
  } finally {
    await context.close();
  }
}

const rows = (page, name) => page.$$eval(`[data-x="${name}"] tr`, (found) => found.map((row) => Array.from(row.cells, (cell) => cell.textContent)));
const ofTransport = (page, name) => page.locator('[data-x="connections"] tr', { hasText: name });

test('it shows who is connected, and who is kicked is gone and told why', async () => {
  const demo = await open(chrome, tricast.url);
  try {
    await visit(tricast.url, {}, async (page, errors) => {
      await page.waitForFunction(() => document.querySelectorAll('[data-x="connections"] button').length >= 3);
      const seen = await rows(page, 'connections');
      for (const name of ['Long polling', 'SSE', 'WebSocket']) {
        const row = seen.find(([transport]) => transport === name);
        assert.ok(row, `${name} is not among ${JSON.stringify(seen)}`);
        assert.match(row[1], /^p_/);
        assert.match(row[6], /^127\.0\.0\.1:\d+$/);
        assert.ok(row[7].includes('kitchen'), row[7]);
      }
      const inKitchen = (await rows(page, 'rooms')).find(([room]) => room === 'kitchen');
      assert.ok(Number(inKitchen[1]) >= 3, String(inKitchen));

      const kick = ofTransport(page, 'WebSocket').locator('button');
      assert.ok(await kick.isDisabled(), 'it is read only');
      await page.uncheck('[data-x="read-only"]');
      await kick.click();
      assert.equal(await kick.textContent(), 'Really?');
      await kick.click();
      await page.waitForFunction(() => /was kicked/.test(document.querySelector('[data-x="kick-said"]').textContent));
      await reaches(demo.page, 'ws', 'closed');
      assert.match(await demo.page.textContent('#lane-ws [data-x="stamp-text"]'), /has ended it \(kicked\)/);
      await ofTransport(page, 'WebSocket').waitFor({ state: 'detached' });
      for (const way of ['poll', 'sse']) assert.equal(await demo.page.getAttribute(`#lane-${way}`, 'data-state'), 'live', way);

      await page.selectOption('[data-x="filters"] select', 'sse');
      await page.waitForFunction(() => {
        const found = Array.from(document.querySelectorAll('[data-x="connections"] tr'), (row) => row.cells[0].textContent);
        return found.length > 0 && found.every((name) => name === 'SSE');
      });
      assert.deepEqual(errors, []);
    });
  } finally {
    await demo.close();
  }
});

test('what is published is found in the history, with what became of it', async () => {
  const demo = await open(chrome, tricast.url);
  try {
    await visit(tricast.url, {}, async (page, errors) => {
      await page.waitForFunction(() => document.querySelectorAll('[data-x="connections"] button').length >= 3);
      const member = await ofTransport(page, 'SSE').locator('code').textContent();
      await page.uncheck('[data-x="read-only"]');
      const form = '[data-x="publish"]';
      await page.fill(`${form} [name="data"]`, '{"text":');
      await page.click(`${form} button`);
      assert.match(await page.textContent('[data-x="publish-said"]'), /^The data is no JSON: /);
      await page.fill(`${form} [name="data"]`, '{"text":"by hand"}');
      await page.fill(`${form} [name="rooms"]`, 'only-sse');
      await page.fill(`${form} [name="type"]`, 'No Type');
      await page.click(`${form} button`);
      await page.waitForFunction(() => /^Refused: type: /.test(document.querySelector('[data-x="publish-said"]').textContent));
      await page.fill(`${form} [name="type"]`, 'note.sent');
      await page.click(`${form} button`);
      await page.waitForFunction(() => /^Published as /.test(document.querySelector('[data-x="publish-said"]').textContent));
      const id = /(\w+-\d+)/.exec(await page.textContent('[data-x="publish-said"]'))[1];
      const row = page.locator(`[data-x="history"] tr[data-key="${id}"]`);
      await row.waitFor();
      assert.ok((await row.textContent()).includes('by hand'));
      await row.locator('button').click();
      assert.equal(await page.textContent('[data-x="event-id"]'), id);
      const ask = async (name) => {
        await page.fill('[data-x="why"] [name="member"]', name);
        await page.click('[data-x="why"] button');
        await page.waitForFunction(() => document.querySelector('[data-x="why-said"]').textContent !== '');
        const said = await page.textContent('[data-x="why-said"]');
        await row.locator('button').click();
        return said;
      };
      assert.match(await ask(member), /^delivered · SSE/);
      assert.match(await ask(await ofTransport(page, 'WebSocket').locator('code').textContent()), /is in none of its rooms/);
      assert.match(await ask('nobody'), /^Refused: debug: /);
      assert.deepEqual(errors.filter((text) => !/status of 400/.test(text)), []);
    });
  } finally {
    await demo.close();
  }
});

test('the history is turned page by page to its beginning and back', async () => {
  const events = Array.from({ length: 120 }, (_, n) => ({ type: 'page.turned', data: { n } }));
  const published = await fetch(new URL('/v1/feeds/brief/events', tricast.url), {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(events),
  });
  assert.equal(published.status, 201);
  await visit(tricast.url, {}, async (page, errors) => {
    await page.locator('[data-x="namespaces"] button', { hasText: 'brief' }).click();
    const { first, last } = await (await fetch(new URL('/v1/feeds/brief', tricast.url))).json();
    const range = (from, to) => page.waitForFunction(([low, high]) => {
      const ids = Array.from(document.querySelectorAll('[data-x="history"] tr[data-key]'), (row) => Number(row.dataset.key.split('-')[1]));
      return ids[0] === high && ids.at(-1) === low;
    }, [from, to]);
    await range(Math.max(first, last - 49), last);
    let upto = last;
    while (!(await page.isDisabled('[data-act="older"]'))) {
      await page.click('[data-act="older"]');
      upto = Math.max(upto - 50, Math.min(first + 49, last));
      await range(Math.max(first, upto - 49), upto);
    }
    await page.click('[data-act="newest"]');
    await range(Math.max(first, last - 49), last);
    assert.ok(await page.isDisabled('[data-act="newer"]'));
    assert.match(page.url(), /namespace=brief/);
    assert.deepEqual(errors, []);
  });
});

test('a server with a token asks for it, and keeps it for the tab alone', async () => {
  await visit(guarded.url, {}, async (page) => {
    const is = (name, visible) => page.locator(`[data-x="${name}"]`).waitFor({ state: visible ? 'visible' : 'hidden' });
    await is('token', true);
    await is('all', false);
    await page.fill('#token', 'wrong-horse-battery');
    await page.click('[data-x="token"] button');
    await page.waitForFunction(() => /not its token/.test(document.querySelector('[data-x="token-said"]').textContent));
    await page.fill('#token', TOKEN);
    await page.click('[data-x="token"] button');
    await is('all', true);
    await is('token', false);
    await page.reload();
    await is('all', true);
    assert.ok(!(await page.context().cookies()).some(({ value }) => value.includes('horse')));
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.locator('[data-x="token"]').waitFor({ state: 'visible' });
  });
});

test('in French, at 360 px, nothing runs over', async () => {
  await visit(tricast.url, { locale: 'fr-FR', viewport: { width: 360, height: 740 } }, async (page, errors) => {
    assert.equal(await page.textContent('[data-x="live"]'), 'en direct');
    assert.equal(await page.textContent('#namespaces-title'), 'Espaces de noms');
    assert.deepEqual(await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]), [360, 360]);
    assert.deepEqual(errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious: ${colorScheme}`, async () => {
    const demo = await open(chrome, tricast.url);
    try {
      await visit(tricast.url, { colorScheme, reducedMotion: 'reduce' }, async (page) => {
        await page.waitForFunction(() => document.querySelectorAll('[data-x="connections"] button').length >= 3);
        await page.uncheck('[data-x="read-only"]');
        await page.click('[data-x="history"] button');
        const { violations } = await new AxeBuilder({ page }).analyze();
        const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        assert.deepEqual(grave.map(({ id, nodes }) => [id, nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`)]), []);
      });
    } finally {
      await demo.close();
    }
  });
}
