// The button that has the server stopped and started. The page is told that it will be so; that it is back, it finds out.

import { api } from './api.js';
import { seconds, t } from './words.js';

const AWAY_MS = 3000;
// How often the page looks whether the server is back.
const LOOK_MS = 100;
// A server that is not back by then is not coming.
const PATIENCE_MS = 60_000;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/**
 * @param {import('./lane.js').Lane[]} lanes
 * @returns {() => Promise<void>} starts it, unless it runs; ends when the server is back
 */
export function restart(lanes) {
  const button = /** @type {HTMLElement} */ (document.querySelector('[data-act="restart"]'));
  let running = null;
  const run = () => (running ??= whole().finally(() => { running = null; }));
  const whole = async () => {
    button.setAttribute('aria-disabled', 'true');
    try {
      const { server: { uptime_ms: before } } = await api.state();
      await api.restart(AWAY_MS);
      for (const lane of lanes) lane.expectRestart(AWAY_MS + PATIENCE_MS);
      await away(before, (ms) => { button.textContent = t('act.restarting', { seconds: seconds(ms) }); });
    } catch {
      // What does not come back shows in every lane.
    }
    for (const lane of lanes) lane.restarted();
    button.textContent = t('act.restart');
    button.removeAttribute('aria-disabled');
  };
  button.addEventListener('click', run);
  return run;
}

/** Until a server answers that has not been up for as long as the old one. */
async function away(before, tell) {
  const began = performance.now();
  for (let passed = 0; passed < PATIENCE_MS; passed = performance.now() - began) {
    tell(passed);
    await pause(LOOK_MS);
    const state = await api.state().catch(() => null);
    if (state && state.server.uptime_ms < before + passed / 2) return;
  }
}
