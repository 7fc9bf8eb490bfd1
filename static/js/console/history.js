// The history of a namespace, page by page, the newest on top; and what became of one event for one session.

import { api } from './api.js';
import { blankRow, fillTable, write } from './table.js';
import { number, t, timeText } from '../page/words.js';

const PAGE = 50;
// Characters of an event's data in its row.
const DATA_SHOWN = 80;

const part = (name) => document.querySelector(`[data-x="${name}"]`);
const offsetOf = (id) => Number(id.split('-')[1]);
const short = (text) => (text.length > DATA_SHOWN ? `${text.slice(0, DATA_SHOWN - 1)}…` : text);

export class History {
  #namespace = '';
  #epoch = '';
  #first = 0;
  #last = 0;
  /** The newest offset of the page that is shown; none follows the tip. @type {number | null} */
  #upto = null;
  #shown = '';

  constructor() {
    const press = (name, act) => document.querySelector(`[data-act="${name}"]`).addEventListener('click', () => act().catch(() => {}));
    press('older', () => this.#turn(-PAGE));
    press('newer', () => this.#turn(PAGE));
    press('newest', () => this.#go(null));
    part('why').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#ask();
    });
  }

  /** @param {{namespace: string, cursor: string, first: number}} seen  of the namespace that is shown */
  async refresh(seen) {
    const epoch = seen.cursor.split('-')[0];
    if (seen.namespace !== this.#namespace || epoch !== this.#epoch) {
      this.#upto = null;
      this.#close();
    }
    [this.#namespace, this.#epoch, this.#first, this.#last] = [seen.namespace, epoch, seen.first, offsetOf(seen.cursor)];
    await this.#load();
  }

  #turn(by) {
    const upto = (this.#upto ?? this.#last) + by;
    return this.#go(upto >= this.#last ? null : Math.max(upto, Math.min(this.#first + PAGE - 1, this.#last)));
  }

  #go(upto) {
    this.#upto = upto;
    return this.#load();
  }

  async #load() {
    const upto = this.#upto ?? this.#last;
    const after = Math.max(this.#first - 1, upto - PAGE, 0);
    const { events } = await api.history(this.#namespace, `${this.#epoch}-${after}`, PAGE);
    const page = events.filter((event) => offsetOf(event.id) <= upto).reverse();
    fillTable(part('history'), page, {
      key: (event) => event.id,
      make: (event) => this.#row(event),
      fill: (row) => row.setAttribute('aria-selected', String(row.dataset.key === this.#shown)),
      none: t('console.history.none'),
    });
    const range = page.length > 0 ? { from: offsetOf(page.at(-1).id), to: offsetOf(page[0].id), last: this.#last } : null;
    write(part('history-range'), range ? t('console.history.range', range) : '');
    document.querySelector('[data-act="newest"]').setAttribute('aria-pressed', String(this.#upto === null));
    /** @type {HTMLButtonElement} */ (document.querySelector('[data-act="newer"]')).disabled = this.#upto === null;
    /** @type {HTMLButtonElement} */ (document.querySelector('[data-act="older"]')).disabled = after < this.#first;
  }

  #row(event) {
    const row = blankRow(5);
    const [id, time, type, rooms, data] = row.cells;
    const open = document.createElement('button');
    open.type = 'button';
    open.className = 'link';
    open.textContent = `#${number(offsetOf(event.id))}`;
    open.addEventListener('click', () => this.#open(event));
    id.append(open);
    time.textContent = timeText(Date.parse(event.time));
    type.textContent = event.type;
    rooms.textContent = event.rooms?.join(', ') ?? t('console.everyone');
    data.className = 'clip';
    const code = document.createElement('code');
    code.textContent = short(JSON.stringify(event.data));
    data.append(code);
    return row;
  }

  #open(event) {
    this.#shown = event.id;
    for (const row of part('history').children) row.setAttribute('aria-selected', String(row.dataset.key === event.id));
    part('event').hidden = false;
    part('event-id').textContent = event.id;
    part('event-json').textContent = JSON.stringify(event, null, 2);
    part('why-said').textContent = '';
  }

  #close() {
    this.#shown = '';
    part('event').hidden = true;
  }

  async #ask() {
    const member = part('why').elements.namedItem('member').value.trim();
    const id = this.#shown;
    try {
      const { verdict, transport, at, from } = await api.why(this.#namespace, id, member);
      const when = at ?? from;
      const words = [t(`console.why.${verdict}`)];
      if (transport) words.push(t(`lane.${transport}.short`));
      if (when && typeof when === 'string') words.push(timeText(Date.parse(when)));
      part('why-said').textContent = words.join(' · ');
    } catch (error) {
      part('why-said').textContent = t('console.failed', { why: error.message });
    }
  }
}
