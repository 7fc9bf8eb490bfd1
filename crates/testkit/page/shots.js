// Plays every scenario of the page and keeps a picture of each after its sentence, for docs/guide/page.md. It prints the
// sentences, so that what the pictures say can be read beside them.

import { fileURLToPath } from 'node:url';

import { browser, open, server } from './browser.js';

const IMAGES = fileURLToPath(new URL('../../../docs/guide/images/', import.meta.url));
// Those that were asked for, or all of them.
const ASKED = process.argv.slice(2);
const SCENES = ASKED.length > 0 ? ASKED.filter((name) => name !== 'console') : ['calm', 'burst', 'slow', 'proxy', 'cut', 'restart', 'crowd'];
// The longest scenario waits for ten thousand clients before it measures.
const END_MS = 90_000;

/** Plays one; gives its sentence. */
async function play(page, scene) {
  await page.click(`[data-scene="${scene}"]`);
  await page.waitForFunction((name) => document.querySelector('.scenes').dataset.running === name, scene);
  await page.waitForFunction(() => document.querySelector('.scenes').dataset.running === '', null, { timeout: END_MS });
  const said = await page.textContent('[data-x="scene-result"]');
  // The lanes' figures begin anew after a scenario: until there are some again.
  await page.waitForTimeout(1500);
  await page.waitForFunction(() => [...document.querySelectorAll('.lane [data-x="p50"]')].every((node) => node.textContent !== '–'));
  return said;
}

async function keep(page, selector, name) {
  await page.locator(selector).scrollIntoViewIfNeeded();
  await page.evaluate((chosen) => document.querySelector(chosen).scrollIntoView({ block: 'start' }), selector);
  await page.screenshot({ path: `${IMAGES}${name}.png`, animations: 'disabled' });
}

/** Beside a page whose lanes are among its connections. */
async function keepConsole(beside) {
  const page = await beside.context().newPage();
  await page.setViewportSize({ width: 1440, height: 1000 });
  await page.goto(new URL('/admin', tricast.url).href);
  await page.waitForFunction(() => document.querySelectorAll('[data-x="connections"] button').length >= 3);
  await keep(page, 'body', 'console');
  await page.close();
}

const tricast = await server();
const chrome = await browser();
try {
  const wide = await open(chrome, tricast.url, { viewport: { width: 1440, height: 640 }, reducedMotion: 'reduce' });
  await wide.page.click('[data-act="textbook"]');
  for (const scene of SCENES) {
    process.stdout.write(`${scene}: ${await play(wide.page, scene)}\n`);
    await keep(wide.page, '.scenes', `page-${scene}`);
    if (scene === 'cut') await keep(wide.page, '.lab', 'page-textbook');
  }
  if (ASKED.length === 0 || ASKED.includes('console')) await keepConsole(wide.page);
  await wide.close();
  const looks = {
    'page-dark': { viewport: { width: 1440, height: 640 }, colorScheme: 'dark' },
    'page-narrow': { viewport: { width: 360, height: 800 }, locale: 'fr-FR' },
  };
  for (const [name, options] of ASKED.length > 0 ? [] : Object.entries(looks)) {
    const seen = await open(chrome, tricast.url, { reducedMotion: 'reduce', ...options });
    process.stdout.write(`${name}: ${await play(seen.page, 'calm')}\n`);
    await keep(seen.page, name === 'page-dark' ? 'body' : '.scenes', name);
    await seen.close();
  }
} finally {
  await chrome.close();
  await tricast.stop();
}
