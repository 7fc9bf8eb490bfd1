// The Wire tab: the true bytes of a lane, as the tap in front of the server saw them.

import { NOTHING_SINCE } from './api.js';
import { Dissector, fromBase64 } from './wire.js';
import { bytesText, t, timeText } from './words.js';

const PIECES_MAX = 40;

export class WireView {
  #way;
  #list;
  #empty;
  #panel;
  #dissect;
  #next = 0;
  open = false;

  /** @param {'poll' | 'sse' | 'ws'} way @param {HTMLElement} panel */
  constructor(way, panel) {
    this.#way = way;
    this.#panel = panel;
    this.#list = panel.querySelector('[data-x="wire"]');
    this.#empty = panel.querySelector('[data-x="wire-empty"]');
    this.#dissect = { in: new Dissector(way), out: new Dissector(way) };
    for (const name of ['hex', 'dim']) {
      const box = /** @type {HTMLInputElement} */ (panel.querySelector(`[data-x="wire-${name}"]`));
      box.disabled = false;
      box.addEventListener('change', () => {
        panel.toggleAttribute(`data-${name}`, box.checked);
        if (name === 'hex') this.#retell();
      });
    }
  }

  /** The lane goes another way: what follows is read as that one's bytes. @param {'poll' | 'sse' | 'ws'} way */
  change(way) {
    this.#way = way;
    this.#dissect = { in: new Dissector(way), out: new Dissector(way) };
  }

  /** What to ask for: nothing but totals while nobody looks. */
  get since() {
    return this.open ? this.#next : NOTHING_SINCE;
  }

  /**
   * @param {any} answer  of `/demo/lanes/{label}/wire`
   * @param {number} since  what was asked for; an answer that was overtaken by another is passed over
   */
  show(answer, since) {
    if (!this.open || since !== this.#next) return;
    this.#next = answer.next;
    if (answer.skipped > 0) for (const side of Object.values(this.#dissect)) side.skipped();
    for (const piece of answer.pieces) this.#list.prepend(this.#row(piece));
    while (this.#list.children.length > PIECES_MAX) this.#list.lastElementChild.remove();
    this.#empty.hidden = this.#list.children.length > 0;
  }

  #row(piece) {
    const bytes = fromBase64(piece.bytes);
    const row = document.createElement('li');
    row.dataset.dir = piece.dir;
    const head = document.createElement('p');
    head.className = 'piece-head';
    head.textContent = `${piece.dir === 'in' ? '→' : '←'} ${t(`wire.${piece.dir}`)} · ${bytesText(bytes.length)} · ${timeText(Date.parse(piece.at))}`;
    const body = document.createElement('pre');
    for (const { part, text, hex, bytes: length, note } of this.#dissect[piece.dir].split(bytes)) {
      const span = document.createElement('span');
      span.className = `w-${part}`;
      span.title = `${note ?? t(`part.${part}`)} · ${bytesText(length)}`;
      span.dataset.text = text;
      span.dataset.hex = `${hex} `;
      span.textContent = this.#panel.hasAttribute('data-hex') ? span.dataset.hex : text;
      body.append(span);
    }
    row.append(head, body);
    return row;
  }

  #retell() {
    const hex = this.#panel.hasAttribute('data-hex');
    for (const span of this.#list.querySelectorAll('pre > span')) span.textContent = hex ? span.dataset.hex : span.dataset.text;
  }
}
