// The send bar and the row of who received it.

import { parseCursor, publish } from '../tricast.js';
import { publishCurl } from './code.js';
import { millis, number, t } from './words.js';

const BURST = 100;
// After this long without it, a lane that could have the event is said to have missed it.
const WAITED_MS = 8_000;

export class Send {
  #form;
  #ways;
  #ledger;
  #clock;
  #sent = null;

  /**
   * @param {object} options
   * @param {string[]} options.ways
   * @param {string[]} options.rooms          rooms that every lane is in
   * @param {import('./ledger.js').Ledger} options.ledger
   * @param {() => number} options.clock
   */
  constructor({ ways, rooms, ledger, clock }) {
    this.#form = document.querySelector('[data-x="send"]');
    this.#ways = ways;
    this.#ledger = ledger;
    this.#clock = clock;
    const select = this.#form.elements.namedItem('room');
    for (const room of rooms) select.add(new Option(room, room));
    for (const way of ways) select.add(new Option(t('send.only', { lane: t(`lane.${way}.short`) }), `only-${way}`));
    select.addEventListener('change', () => this.#choose('room'));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#form.querySelector('[data-act="curl"]').addEventListener('click', () => this.#curl());
    this.#form.querySelector('[data-act="burst"]').addEventListener('click', () => this.burst());
  }

  focus() {
    this.#form.elements.namedItem('message').select();
    this.#form.elements.namedItem('message').focus();
  }

  /** The last event of the form, for those who look who received it. @type {{offset: number, room?: string} | null} */
  sent = null;

  /** Whether an event was sent from here. @param {any} event */
  isOwn(event) {
    return event.data?.by === this.#mark;
  }

  #mark = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);

  #choose(to) {
    this.#form.elements.namedItem('to').value = to;
  }

  #event() {
    const { to, room, message } = Object.fromEntries(new FormData(this.#form));
    const event = { type: 'note.sent', data: { text: String(message) } };
    return to === 'room' ? { ...event, rooms: [String(room)] } : event;
  }

  #stamped(event) {
    return { ...event, data: { ...event.data, at_us: Math.round(this.#clock() * 1000), by: this.#mark } };
  }

  async #send() {
    const event = this.#stamped(this.#event());
    await this.#publish(event, (ids) => {
      this.#sent = { offset: parseCursor(ids[0].id).offset, room: event.rooms?.[0], at: event.data.at_us / 1000, since: performance.now() };
      this.sent = this.#sent;
      this.#say('');
    });
  }

  /** A hundred events at once: one request, one batch. */
  async burst() {
    const events = Array.from({ length: BURST }, (_, i) => this.#stamped({ type: 'note.burst', data: { text: t('send.burst.text', { n: i + 1, of: BURST }) } }));
    await this.#publish(events, () => this.#say(t('send.burst.said', { n: BURST })));
  }

  async #publish(events, then) {
    try {
      then(await publish({}, events));
    } catch (error) {
      this.#say(t('send.failed', { why: error.message }));
    }
    this.paint();
  }

  async #curl() {
    const command = publishCurl(location.origin, this.#event());
    const shown = this.#form.querySelector('[data-x="curl"]');
    shown.textContent = command;
    shown.parentElement.hidden = false;
    try {
      await navigator.clipboard.writeText(command);
      this.#say(t('send.copied'));
    } catch {
      this.#say(t('send.copy_by_hand'));
    }
  }

  #say(text) {
    this.#form.querySelector('[data-x="send-said"]').textContent = text;
  }

  /** Once a frame: fills in what has arrived of the last event that was sent. */
  paint() {
    const sent = this.#sent;
    if (!sent) return;
    const times = this.#ledger.times(sent.offset);
    document.querySelector('[data-x="who-event"]').textContent = t(sent.room ? 'who.room' : 'who.everyone', {
      id: `#${number(sent.offset)}`,
      room: roomText(sent.room),
    });
    let open = 0;
    this.#ways.forEach((way, lane) => {
      const time = times?.[lane] ?? null;
      const got = time !== null ? 'yes' : outside(sent.room, way) ? 'no' : performance.now() - sent.since > WAITED_MS ? 'missed' : 'open';
      if (got === 'open') open += 1;
      const cell = document.querySelector(`.who-row [data-lane="${way}"]`);
      cell.dataset.got = got;
      cell.dataset.offset = String(sent.offset);
      cell.querySelector('b').textContent = got === 'yes' ? `✓ ${millis(Math.max(0, time - sent.at))} ms` : t(`who.${got}`);
    });
    // A lane that is cut off gets it when it is back, however late.
    if (open === 0 && (times ?? []).every((time, lane) => time !== null || outside(sent.room, this.#ways[lane]))) this.#sent = null;
  }
}

const outside = (room, way) => room !== undefined && room.startsWith('only-') && room !== `only-${way}`;
const roomText = (room) => room ?? '';
