// The sliders of the built-in source, and the line of the server's own figures.

import { api } from './api.js';
import { bytesText, durationText, number, t } from './words.js';

const SETTLE_MS = 150;

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
  #button = document.querySelector('[data-act="source"]');

  /** @param {any} state  of `/demo/state` */
  constructor(state) {
    const { rate_max: rateMax, payload_max: payloadMax } = state.limits;
    this.#sliders = [
      this.#slider('rate', scale(1, rateMax), rounded, (rate) => t('controls.rate.value', { rate: number(rate, rate % 1 ? 1 : 0) })),
      this.#slider('payload', scale(64, payloadMax), (value) => Math.round(value / 16) * 16, bytesText),
    ];
    this.#button.addEventListener('click', () => this.#change({ paused: !this.#source.paused }));
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
      tell(value());
      this.#held = performance.now();
      clearTimeout(timer);
      timer = setTimeout(() => this.#change({ [name]: value() }), SETTLE_MS);
    });
    return (source) => {
      input.value = String(range.position(source[name]));
      tell(source[name]);
    };
  }

  /** What the source is asked to do. */
  get source() { return this.#source; }

  /** Moves the sliders by program. @param {Record<string, number | boolean>} change */
  async set(change) {
    await this.#change(change);
    for (const slider of this.#sliders) slider(this.#source);
  }

  async #change(change) {
    this.#held = performance.now();
    try {
      const source = await api.source(change);
      this.#source = { ...this.#source, ...source };
    } catch {
      this.#held = -Infinity;
    }
    this.#showSource();
  }

  #showSource() {
    const { paused } = this.#source;
    this.#button.setAttribute('aria-pressed', String(paused));
    this.#button.textContent = t(paused ? 'controls.resume' : 'controls.pause');
    part('feed').textContent = paused ? t('vital.paused') : t('controls.rate.value', { rate: number(this.#source.rate, this.#source.rate % 1 ? 1 : 0) });
  }

  /** @param {any} state  of `/demo/state` */
  show(state) {
    // Somebody's hand is on a slider: what the server said a moment ago would pull it back.
    if (performance.now() - this.#held > 1000) {
      this.#source = state.source;
      for (const slider of this.#sliders) slider(this.#source);
    }
    this.#showSource();
    const { cpu_percent: cpu, rss_bytes: rss, uptime_ms: up, subscribers, deliveries } = state.server;
    part('cpu').textContent = `${number(cpu, 1)} %`;
    part('rss').textContent = bytesText(rss);
    part('up').textContent = durationText(up);
    for (const [way, count] of Object.entries(subscribers)) {
      const node = part(`subs-${way}`);
      if (node) node.textContent = number(count);
    }
    const last = this.#last;
    if (last && up > last.up) part('deliveries').textContent = number(((deliveries - last.deliveries) * 1000) / (up - last.up));
    this.#last = { up, deliveries };
  }
}
