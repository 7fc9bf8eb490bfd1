// The sliders of the network: what stands between the page and the server, for all lanes or for one.

import { api } from './api.js';
import { bytesText, number, t } from './words.js';

const PLAIN = Object.freeze({ latency_ms: 0, jitter_ms: 0, bytes_per_s: 0, buffer_ms: 0 });
const SETTLE_MS = 150;
/** Bandwidths by the place of the slider; the first is none. */
export const BANDWIDTHS = [0, 4_194_304, 1_048_576, 262_144, 65_536, 32_768, 16_384, 4096, 1024];

const words = {
  latency_ms: (value) => (value ? `${number(value)} ms` : t('network.none')),
  jitter_ms: (value) => (value ? `± ${number(value)} ms` : t('network.none')),
  bytes_per_s: (value) => (value ? `${bytesText(value)}/s` : t('network.unlimited')),
  buffer_ms: (value) => (value ? `${number(value / 1000, value % 1000 ? 1 : 0)} s` : t('network.none')),
};

export class NetworkControls {
  /** @type {Map<string, typeof PLAIN>} */
  #set = new Map();
  /** What a hand has set since the last keeping, by lane. @type {Map<string, Partial<typeof PLAIN>>} */
  #touched = new Map();
  /** What a hand has just set is sent when it rests. */
  #timer;
  #labels;
  #select = /** @type {HTMLSelectElement} */ (document.getElementById('net-lane'));
  #inputs = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('[data-net]')]);

  /**
   * @param {{label: string, way: string, more: () => string | null}[]} lanes  `more`: a second connection beside it
   * @param {(seconds: number) => void} wait  how long the lanes' polls may be parked
   */
  constructor(lanes, wait) {
    this.#labels = lanes;
    this.#pollWait(wait);
    for (const input of this.#inputs) {
      input.addEventListener('input', () => {
        this.#tell(input);
        // As the hand left it, whatever moves the slider before that is asked for; the others' values may be a scenario's.
        for (const { way } of this.#meant(this.#select.value)) this.#touched.set(way, { ...this.#touched.get(way), [input.dataset.net]: valueOf(input) });
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.restore(this.#set).catch(() => this.#show()), SETTLE_MS);
      });
    }
    this.#select.addEventListener('change', () => this.#show());
    this.#show();
  }

  /** What is set, by lane, for `restore`. */
  keep() {
    // Also what was not sent yet.
    clearTimeout(this.#timer);
    const kept = new Map(this.#labels.map(({ way }) => [way, { ...PLAIN, ...this.#set.get(way), ...this.#touched.get(way) }]));
    this.#touched.clear();
    return kept;
  }

  #meant(way) {
    return this.#labels.filter((lane) => way === 'all' || lane.way === way);
  }

  /** @param {Partial<typeof PLAIN>} conditions  what is absent does nothing @param {string} [way] */
  async set(conditions, way = 'all') {
    const all = { ...PLAIN, ...conditions };
    const meant = this.#meant(way);
    await Promise.all(meant.flatMap((lane) => [lane.label, lane.more()].filter(Boolean).map((label) => api.conditions(label, all))));
    for (const lane of meant) this.#set.set(lane.way, all);
    this.#show();
  }

  /** What was kept, but for what a hand has set since. @param {Map<string, typeof PLAIN>} kept */
  async restore(kept) {
    for (const { way } of this.#labels) await this.set({ ...kept.get(way), ...this.#touched.get(way) }, way);
  }

  /** The same for a connection that has come beside a lane. */
  async again() {
    for (const { way } of this.#labels) await this.set(this.#set.get(way) ?? PLAIN, way);
  }

  // Not the network's: what the page itself asks for.
  #pollWait(wait) {
    const slider = /** @type {HTMLInputElement} */ (document.getElementById('poll-wait'));
    const tell = () => {
      const text = `${number(Number(slider.value))} s`;
      document.querySelector('[data-x="poll-wait"]').textContent = text;
      slider.setAttribute('aria-valuetext', text);
    };
    slider.addEventListener('input', tell);
    slider.addEventListener('change', () => wait(Number(slider.value)));
    tell();
  }

  #show() {
    const way = this.#select.value === 'all' ? this.#labels[0].way : this.#select.value;
    const now = this.#set.get(way) ?? PLAIN;
    for (const input of this.#inputs) {
      const value = now[input.dataset.net];
      input.value = String(input.dataset.net === 'bytes_per_s' ? nearest(value) : value);
      this.#tell(input);
    }
    for (const { way: each } of this.#labels) {
      const set = this.#set.get(each) ?? PLAIN;
      document.getElementById(`lane-${each}`).toggleAttribute('data-network', Object.values(set).some((value) => value > 0));
    }
  }

  #tell(input) {
    const text = words[input.dataset.net](valueOf(input));
    document.querySelector(`[data-x="net-${input.dataset.net}"]`).textContent = text;
    input.setAttribute('aria-valuetext', text);
  }
}

const valueOf = (input) => (input.dataset.net === 'bytes_per_s' ? BANDWIDTHS[Number(input.value)] : Number(input.value));
const nearest = (value) => Math.max(0, BANDWIDTHS.findIndex((each) => each <= value && (each > 0 || value === 0)));
