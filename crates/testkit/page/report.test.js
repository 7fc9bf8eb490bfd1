// The report as the server shows it, where no run was made yet.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { browser, server } from './browser.js';

let empty;
let tricast;
let chrome;
before(async () => {
  empty = await mkdtemp(join(tmpdir(), 'tricast-no-run-'));
  tricast = await server({ TRICAST_REPORT__DIR: empty });
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await tricast?.stop();
  if (empty) await rm(empty, { recursive: true });
});

for (const width of [1440, 360]) {
  test(`${width} px: the project’s sample stands under a line that says so, and hides nothing`, async () => {
    for (const [file, words] of [['', /another machine/], ['report.fr.html', /autre machine/]]) {
      const page = await chrome.newPage({ viewport: { width, height: 800 } });
      await page.goto(new URL(`/report/${file}`, tricast.url).href);
      const notice = page.locator('[role="note"]');
      assert.match(await notice.textContent(), words);
      const seen = await notice.evaluate((node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        const [box, text] = [node.getBoundingClientRect(), range.getBoundingClientRect()];
        return { wide: box.width, holds: text.bottom <= box.bottom && text.right <= box.right, above: box.bottom <= document.querySelector('header').getBoundingClientRect().top };
      });
      assert.ok(seen.wide > width / 2 && seen.holds && seen.above, JSON.stringify(seen));
      await page.close();
    }
  });
}
