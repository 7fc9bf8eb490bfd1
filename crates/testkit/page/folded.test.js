// Parts of the page that are loaded when they are unfolded: nothing in them can be moved before something listens.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browser, open, server } from './browser.js';

let tricast;
let chrome;
let visited;
before(async () => {
  tricast = await server();
  chrome = await browser();
  visited = await open(chrome, tricast.url);
});
after(async () => {
  await visited?.close();
  await chrome?.close();
  await tricast?.stop();
});

/** Holds requests for a path back; the answer lets them go. */
async function held(page, path) {
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  const asked = page.waitForRequest((request) => new URL(request.url()).pathname === path);
  await page.route((url) => url.pathname === path, async (route) => {
    await gate;
    await route.continue();
  });
  return { asked, release };
}

test('the slider of the bots is still until its script is there and the server has said how many there can be', async () => {
  const { page } = visited;
  const script = await held(page, '/static/js/page/bots.js');
  const state = await held(page, '/demo/bots');
  await page.click('.bots > summary');
  await script.asked;
  assert.equal(await page.isDisabled('#bots'), true, 'without its script');
  script.release();
  await state.asked;
  assert.equal(await page.isDisabled('#bots'), true, 'without the first answer');
  state.release();
  const wanted = page.waitForRequest((request) => request.method() === 'PUT');
  // Waits until it can be moved.
  await page.locator('#bots').fill('1');
  await page.locator('#bots').dispatchEvent('change');
  assert.deepEqual((await wanted).postDataJSON(), { count: 15 });
});

test('what could not be loaded is folded again, stays still, and is loaded at the next try', async () => {
  const { page } = visited;
  let fails = true;
  await page.route((url) => url.pathname === '/static/js/page/advice.js', (route) => (fails ? route.abort() : route.continue()));
  await page.click('.advice > summary');
  await page.waitForFunction(() => !document.querySelector('.advice').open);
  assert.equal(await page.isDisabled('#advice-clients'), true);
  fails = false;
  await page.click('.advice > summary');
  await page.waitForFunction(() => !document.querySelector('#advice-clients').disabled);
});
