// How the page looks and is used: widths, languages, themes, keys, and a browser without scripts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import AxeBuilder from '@axe-core/playwright';

import { browser, reaches, sent, server, stamped, visit as visitWith } from './browser.js';

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

test('between 820 and 1080 px all three lanes are whole, and below one is', async () => {
  for (const width of [1080, 900, 820, 700, 360]) {
    await visit({ viewport: { width, height: 900 } }, async (page) => {
      const cut = await page.$$eval('article.lane', (lanes) => lanes
        .map((lane) => ({ ...lane.getBoundingClientRect().toJSON(), edge: document.documentElement.clientWidth }))
        .filter(({ left, right, edge }) => left < edge - 1 && right > 1 && (left < 0 || right > edge)).length);
      assert.equal(cut, 0, `${width} px`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    });
  }
});

test('French is French, down to the numbers', async () => {
  await visit({ locale: 'fr-FR' }, async (page, { errors }) => {
    assert.equal(await page.getAttribute('html', 'lang'), 'fr');
    assert.equal((await page.textContent('h1')).trim(), 'Un événement. Trois façons de le recevoir.');
    await page.waitForFunction(() => /^\d+,\d/.test(document.querySelector('#lane-poll [data-x="p50"]').textContent));
    assert.equal(await page.textContent('#lane-ws [data-x="state"]'), 'connecté');
    await page.click('.pref-lang[lang="en"]');
    await page.waitForFunction(() => document.documentElement.lang === 'en');
    await page.goto(tricast.url);
    assert.equal(await page.getAttribute('html', 'lang'), 'en', 'the choice is kept');
    assert.deepEqual(errors, []);
  });
});

test('the theme follows the system until it is chosen, and is kept', async () => {
  await visit({ colorScheme: 'dark' }, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    assert.notEqual(light, dark);
    await page.click('[data-act="theme"]');
    await page.click('[data-act="theme"]');
    assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
    assert.equal(await ground(), dark);
    await page.reload();
    assert.equal(await ground(), dark);
  });
});

test('360 px: nothing runs over, the cards stay, the sheet opens', async () => {
  await visit({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async (page, { errors }) => {
    const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.deepEqual(width, [360, 360]);
    await page.evaluate(() => document.getElementById('lane-poll').querySelector('.lane-acts').scrollIntoView({ block: 'end' }));
    const top = await page.evaluate(() => document.querySelector('.minis').getBoundingClientRect().top);
    assert.ok(top >= 0 && top < 2, `the cards are at ${top}`);
    await page.tap('[data-mini="ws"]');
    await page.waitForFunction(() => {
      const { left, right } = document.getElementById('lane-ws').getBoundingClientRect();
      return left >= 0 && right <= innerWidth;
    });
    await page.tap('[data-sheet="send"]');
    await page.waitForSelector('.send', { state: 'visible' });
    assert.equal(await page.getAttribute('[data-sheet="send"]', 'aria-expanded'), 'true');
    assert.ok((await sent(page)).every(([, got]) => got === 'yes'));
    await page.keyboard.press('Escape');
    await page.waitForSelector('.send', { state: 'hidden' });
    assert.deepEqual(errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1440, 360]) {
    test(`axe finds nothing serious: ${colorScheme}, ${width} px`, async () => {
      await visit({ colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' }, async (page) => {
        await page.waitForFunction(() => /\d/.test(document.querySelector('[data-x="verdict"]').textContent));
        if (width === 1440) for (const way of ['sse', 'ws']) await page.click(`#tab-${way}-${way === 'sse' ? 'wire' : 'code'}`);
        const { violations } = await new AxeBuilder({ page }).analyze();
        const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        assert.deepEqual(grave.map(({ id, nodes }) => [id, nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`)]), []);
      });
    });
  }
}

test('the keyboard does everything, and its single keys can be turned off', async () => {
  await visit({}, async (page) => {
    await page.keyboard.press('2');
    assert.ok(await page.$('#lane-sse[data-selected]'));
    await page.keyboard.press('Space');
    await reaches(page, 'sse', 'paused');
    await page.keyboard.press('Space');
    await reaches(page, 'sse', 'live');
    await page.keyboard.press('3');
    await page.keyboard.press('k');
    await stamped(page, 'ws', 0);
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'message');
    await page.keyboard.type('k 1 ?');
    assert.equal(await page.inputValue('[name="message"]'), 'k 1 ?');
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('?');
    await page.waitForSelector('.help[open]');
    await page.uncheck('[data-x="keys-on"]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.help[open]', { state: 'detached' });
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('1');
    assert.equal(await page.$('#lane-poll[data-selected]'), null);
  });
});

test('every control can be reached by Tab and shows that it has the focus', async () => {
  await visit({}, async (page) => {
    await page.waitForSelector('#poll-wait:enabled');
    const reached = new Set();
    for (let i = 0; i < 85; i += 1) {
      await page.keyboard.press('Tab');
      const { name, outlined } = await page.evaluate(() => {
        const { activeElement: node } = document;
        return {
          name: node.dataset.act || node.name || node.id,
          outlined: node === document.body || getComputedStyle(node).outlineStyle !== 'none',
        };
      });
      assert.ok(outlined, `${name} shows no focus`);
      reached.add(name);
    }
    for (const name of ['theme', 'help', 'cut-all', 'restart', 'lose', 'transport', 'kill', 'pause', 'cut', 'face', 'poll-wait', 'message', 'room', 'member', 'curl', 'rate', 'payload', 'source']) {
      assert.ok(reached.has(name), `${name} was not reached: ${[...reached]}`);
    }
  });
});

test('without scripts the page says what it is', async () => {
  const context = await chrome.newContext({ javaScriptEnabled: false });
  try {
    const page = await context.newPage();
    await page.goto(tricast.url);
    assert.match(await page.textContent('h1'), /Three ways/);
    assert.ok(await page.isVisible('.notice'));
    assert.equal(await page.locator('button:visible, input:visible, select:visible').count(), 0, 'nothing that does nothing');
  } finally {
    await context.close();
  }
});
