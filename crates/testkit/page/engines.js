// The browsers that the client is tested in: Chromium by playwright-core, Firefox by puppeteer-core over WebDriver BiDi. What
// they have in common is enough for the client: pages of one profile that run functions.

import { existsSync } from 'node:fs';

import puppeteer from 'puppeteer-core';

import { browser as chromium } from './browser.js';

const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/**
 * @typedef {object} Page
 * @property {(url: string) => Promise<any>} goto
 * @property {<T>(act: (...args: any[]) => T | Promise<T>, argument?: any) => Promise<T>} evaluate
 * @property {() => Promise<void>} close
 *
 * @typedef {{newPage: () => Promise<Page>, close: () => Promise<void>}} Engine  pages of one profile
 */

/** @type {Record<string, () => Promise<Engine>>} */
export const ENGINES = {
  async chromium() {
    const browser = await chromium();
    const context = await browser.newContext();
    return { newPage: () => context.newPage(), close: () => browser.close() };
  },

  async firefox() {
    // A missing Firefox is a failure: a suite that silently runs in one browser proves nothing about the other.
    if (!existsSync(FIREFOX)) throw new Error(`there is no Firefox at ${FIREFOX}: run \`make setup\`, or name one in FIREFOX`);
    const browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true });
    return { newPage: () => /** @type {any} */ (browser.newPage()), close: () => browser.close() };
  },
};
