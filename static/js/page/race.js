// The latest event on its way into the three lanes, on the sparkline's logarithmic scale.

import { onScale } from './spark.js';
import { millis, number, t, timeText } from './words.js';

// Faster than this nobody can follow; the events in between are in the lanes.
const HOLD_MS = 400;

export class Race {
  #root;
  #shown = 0;
  #next = null;

  /** @param {Element} root */
  constructor(root) {
    this.#root = root;
    this.#part = (name) => root.querySelector(`[data-x="${name}"]`);
  }

  #part;

  /**
   * All lanes have an event.
   * @param {{n: number, type: string, text: string, publishedAt: number, took: number[], ways: string[]}} race
   *   `publishedAt` and `took` in milliseconds of the page's corrected clock
   */
  finished(race) {
    this.#next = race;
  }

  /** @param {number} now */
  paint(now) {
    const race = this.#next;
    if (!race || now - this.#shown < HOLD_MS) return;
    this.#shown = now;
    this.#next = null;
    this.#part('race-n').textContent = `#${number(race.n)}`;
    this.#part('race-type').textContent = race.type;
    this.#part('race-text').textContent = race.text;
    this.#part('race-time').textContent = t('race.at', { time: timeText(race.publishedAt) });
    const first = Math.min(...race.took);
    race.ways.forEach((way, lane) => {
      const track = this.#root.querySelector(`.track[data-lane="${way}"]`);
      const gap = race.took[lane] - first;
      track.style.setProperty('--x', onScale(race.took[lane]).toFixed(4));
      track.toggleAttribute('data-first', gap === 0);
      this.#part(`gap-${way}`).textContent = gap === 0 ? t('row.first') : `+${millis(gap)} ms`;
      // Starting the animation over needs another name each time.
      track.dataset.run = track.dataset.run === 'a' ? 'b' : 'a';
    });
  }
}
