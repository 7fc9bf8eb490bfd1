// The sliders of the built-in source, and the line of the server's own figures.

import { api } from './api.js';
import { behind } from './figures.js';
import { bytesText, durationText, number, t } from './words.js';

const SETTLE_MS = 150;
// With fewer subscribers their share of the memory is that of the process itself.
const MANY = 1000;

/** A slider's 0 to 100 on a logarithmic scale. */
export const scale = (least, most) => ({
  value: (position) => least * (most / least) ** (position / 100),
  position: (value) => (100 * Math.log(Math.max(value, least) / least)) / Math.log(most / least),
});

/** Two figures that mean something: 1, 1.3, 18, 230, 5000. @param {number} value */
export function rounded(value) {
  const digit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return value < 10 ? Math.round(value * 2) / 2 : Math.round(value / digit) * digit;
}

const part = (name) => document.querySelector(`[data-x="${name}"]`);

export class Controls {
  #source = null;
  #sliders;
  #held = -Infinity;
  #last = null;
  /** Events a second that are made, while the source misses its times. @type {number | null} */
  #behind = null;
  #flowMax;
  #button = document.querySelector('[data-act="source"]');

  /** @param {any} state  of `/demo/state` */
  constructor(state) {
    const { rate_max: rateMax, payload_max: payloadMax, flow_max: flowMax } = state.limits;
    this.#flowMax = flowMax;
    this.#sliders = [
      this.#slider('rate', scale(1, rateMax), rounded, (rate) => t('controls.rate.value', { rate: number(rate, rate % 1 ? 1 : 0) })),
      this.#slider('payload', scale(64, payloadMax), (value) => Math.round(value / 16) * 16, bytesText),
    ];
    this.#button.addEventListener('click', () => this.#byHand({ paused: !this.#source.paused }));
    this.show(state);
  }

  #slider(name, range, round, words) {
    const input = document.getElementById(name);
    const output = part(`${name}-value`);
    const value = () => round(range.value(Number(input.value)));
    const tell = (shown) => {
      output.textContent = words(shown);
      input.setAttribute('aria-valuetext', words(shown));
    };
    let timer;
    input.addEventListener('input', () => {
      // As the hand left it, whatever moves the slider before that is asked for.
      const wanted = value();
      tell(wanted);
      this.#held = performance.now();
      clearTimeout(timer);
      timer = setTimeout(() => this.#byHand({ [name]: wanted }), SETTLE_MS);
    });
    return (source) => {
      input.value = String(range.position(source[name]));
      tell(source[name]);
    };
  }

  /** What the source is asked to do. */
  get source() { return this.#source; }

  /** Why a change is refused whose parts are each within their bounds. */
  get tooMuch() { return t('controls.too_much', { most: bytesText(this.#flowMax) }); }

  /**
   * Moves the sliders by program; throws where the server refuses.
   * @param {Record<string, number | boolean>} change
   * @param {string} [scene]  the scenario that asks for it
   */
  async set(change, scene) {
    await this.#ask(change, scene);
    this.#showAll();
  }

  /** What the server says next is shown: somebody else has set it. */
  release() {
    this.#held = -Infinity;
  }

  /** @param {Record<string, number | boolean>} change @param {string} [scene] */
  async #ask(change, scene) {
    this.#held = performance.now();
    this.#source = { ...this.#source, ...await api.source(change, scene) };
  }

  async #byHand(change) {
    let said = '';
    try {
      await this.#ask(change);
      // The hand may have gone on: its slider is left to it.
      this.#showSource();
    } catch (error) {
      this.release();
      if (error.status === 400) said = this.tooMuch;
      this.#showAll();
    }
    part('controls-said').textContent = said;
  }

  // The sliders show what was granted.
  #showAll() {
    for (const slider of this.#sliders) slider(this.#source);
    this.#showSource();
  }

  #showSource() {
    const { paused } = this.#source;
    this.#button.setAttribute('aria-pressed', String(paused));
    this.#button.textContent = t(paused ? 'controls.resume' : 'controls.pause');
    const rate = number(this.#source.rate, this.#source.rate % 1 ? 1 : 0);
    part('feed').textContent = paused ? t('vital.paused') : this.#behind === null ? t('controls.rate.value', { rate }) : t('vital.behind', { made: number(this.#behind, 0), rate });
  }

  /** @param {any} state  of `/demo/state` */
  show(state) {
    // Somebody's hand is on a slider: what the server said a moment ago would pull it back.
    if (performance.now() - this.#held > 1000) {
      this.#source = state.source;
      for (const slider of this.#sliders) slider(this.#source);
    }
    const { published, missed_ticks: missed } = state.source;
    this.#behind = behind(this.#last, { up: state.server.uptime_ms, published, missed });
    this.#showSource();
    const { cpu_percent: cpu, rss_bytes: rss, uptime_ms: up, subscribers, deliveries } = state.server;
    part('cpu').textContent = `${number(cpu, 1)} %`;
    part('rss').textContent = bytesText(rss);
    const all = Object.values(subscribers).reduce((sum, count) => sum + count, 0);
    part('rss-each').textContent = all >= MANY ? bytesText(rss / all) : '–';
    part('up').textContent = durationText(up);
    for (const [way, count] of Object.entries(subscribers)) {
      const node = part(`subs-${way}`);
      if (node) node.textContent = number(count);
    }
    const last = this.#last;
    if (last && up > last.up) part('deliveries').textContent = number(((deliveries - last.deliveries) * 1000) / (up - last.up));
    this.#last = { up, deliveries, published, missed };
  }
}
