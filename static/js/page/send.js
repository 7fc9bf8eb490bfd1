// The send bar and the row of who received it.

import { parseCursor, publish } from '../tricast.js';
import { isFor, whyNot } from './audience.js';
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
  #receivers;
  /** Those who can be addressed by their session, by their place in the list. @type {Map<string, () => string | undefined>} */
  #members = new Map();

  /**
   * @param {object} options
   * @param {string[]} options.ways
   * @param {string[]} options.rooms          rooms that every lane is in
   * @param {import('./ledger.js').Ledger} options.ledger
   * @param {() => number} options.clock
   * @param {() => readonly {way: string, name: string, rooms: readonly string[], member?: string}[]} options.receivers  the lanes
   */
  constructor({ ways, rooms, ledger, clock, receivers }) {
    this.#form = document.querySelector('[data-x="send"]');
    this.#ways = ways;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#receivers = receivers;
    const select = this.#form.elements.namedItem('room');
    for (const room of rooms) select.add(new Option(room, room));
    for (const way of ways) select.add(new Option(t('send.only', { lane: t(`lane.${way}.short`) }), `only-${way}`));
    select.addEventListener('change', () => this.#choose('room'));
    const [lanes] = this.#groups;
    for (const way of ways) {
      lanes.append(new Option(t(`lane.${way}.short`), way));
      this.#members.set(way, () => this.#receivers().find((lane) => lane.way === way)?.member);
    }
    this.#form.elements.namedItem('member').addEventListener('change', () => {
      if (this.#form.elements.namedItem('to').value !== 'others') this.#choose('one');
    });
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

  /** The last event of the form, for those who look who received it. @type {null | {offset: number} & import('./audience.js').Addressed} */
  sent = null;

  get #groups() { return this.#form.elements.namedItem('member').querySelectorAll('optgroup'); }

  /** The bots that can be addressed. @param {readonly {way: string, member?: string}[]} bots */
  offer(bots) {
    const [, group] = this.#groups;
    while (group.children.length > bots.length) group.lastElementChild.remove();
    for (let i = group.children.length; i < bots.length; i += 1) group.append(new Option(t('send.bot', { n: i + 1 }), `bot-${i}`));
    group.hidden = bots.length === 0;
    bots.forEach(({ member }, i) => this.#members.set(`bot-${i}`, () => member));
  }

  /** Whether an event was sent from here. @param {any} event */
  isOwn(event) {
    return event.data?.by === this.#mark;
  }

  #mark = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);

  #choose(to) {
    this.#form.elements.namedItem('to').value = to;
  }

  #event() {
    const { to, room, member, message } = Object.fromEntries(new FormData(this.#form));
    const event = { type: 'note.sent', data: { text: String(message) } };
    if (to === 'room') return { ...event, rooms: [String(room)] };
    if (to === 'everyone') return event;
    const named = this.#members.get(String(member))?.();
    if (!named) throw new Error(t('send.gone'));
    return to === 'one' ? { ...event, to: named } : { ...event, except: named };
  }

  // What cannot be sent is said where what was sent is.
  #asked() {
    try {
      return this.#event();
    } catch (error) {
      this.#say(t('send.failed', { why: error.message }));
      return null;
    }
  }

  #name() {
    return this.#form.elements.namedItem('member').selectedOptions[0]?.text ?? '';
  }

  #stamped(event) {
    return { ...event, data: { ...event.data, at_us: Math.round(this.#clock() * 1000), by: this.#mark } };
  }

  async #send() {
    const event = this.#asked();
    if (!event) return;
    const { to, except, rooms, data } = this.#stamped(event);
    const whom = { room: rooms?.[0], to, except, name: this.#name() };
    await this.#publish({ ...event, data }, (ids) => {
      this.#sent = { offset: parseCursor(ids[0].id).offset, ...whom, at: data.at_us / 1000, since: performance.now() };
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
    const event = this.#asked();
    if (!event) return;
    const command = publishCurl(location.origin, event);
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
    document.querySelector('[data-x="who-event"]').textContent = t(`who.${kindOf(sent)}`, {
      id: `#${number(sent.offset)}`,
      room: sent.room ?? '',
      name: sent.name,
    });
    let open = 0;
    const receivers = this.#receivers();
    this.#ways.forEach((way, lane) => {
      const time = times?.[lane] ?? null;
      const got = time !== null ? 'yes' : !isFor(sent, receivers[lane]) ? 'no' : performance.now() - sent.since > WAITED_MS ? 'missed' : 'open';
      if (got === 'open') open += 1;
      const cell = document.querySelector(`.who-row [data-lane="${way}"]`);
      cell.dataset.got = got;
      cell.dataset.offset = String(sent.offset);
      cell.querySelector('b').textContent = got === 'yes' ? `✓ ${millis(Math.max(0, time - sent.at))} ms` : t(`who.${got === 'no' ? whyNot(sent) : got}`);
    });
    // A lane that is cut off gets it when it is back, however late.
    if (open === 0 && (times ?? []).every((time, lane) => time !== null || !isFor(sent, receivers[lane]))) this.#sent = null;
  }
}

const kindOf = ({ room, to, except }) => (to !== undefined ? 'alone' : except !== undefined ? 'others' : room !== undefined ? 'room' : 'everyone');
