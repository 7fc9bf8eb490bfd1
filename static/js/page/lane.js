// One lane: a connection of its own, what it measured, and the card that shows it.

import { connect, parseCursor } from '../tricast.js';
import { api, NOTHING_SINCE } from './api.js';
import { snippets } from './code.js';
import { ByteCost, Latencies, Minute, utf8Length } from './figures.js';
import { dress } from './dress.js';
import { drawHistogram } from './histogram.js';
import { Integrity } from './integrity.js';
import { Log } from './log.js';
import { Outage } from './outage.js';
import { drawSpark } from './spark.js';
import { tellingText } from './tellings.js';
import { bytesText, millis, number, seconds, t } from './words.js';

const SHOWN_STATE = { idle: 'connecting', connecting: 'connecting', live: 'live', waiting: 'down', paused: 'paused', closed: 'closed' };
const HISTORY_MAX = 1000;
// Events of a hole that the server is asked about one by one.
const ASKED_MAX = 20;
// A connection that was killed and is not missed by now was replaced by the browser itself.
const MENDED_MS = 600;

/**
 * @typedef {object} Arrival
 * @property {any} event
 * @property {number} offset
 * @property {number} at        milliseconds of the page's clock
 * @property {boolean} replayed
 */

export class Lane {
  #root;
  #mini;
  #rooms;
  #events = 0;
  #payload = 0;
  #latencies = new Latencies();
  #minute = new Minute();
  #cost = new ByteCost();
  /** What was published before has no part in the figures. */
  #since = 0;
  #integrity = new Integrity();
  #outage = new Outage();
  /** What shows the bytes, once somebody has looked. @type {import('./wireview.js').WireView | null} */
  #wire = null;
  #totals = null;
  #offset = 0;
  /** The life of the feed that the lane catches up with. */
  #epoch = '';
  #serial = 0;
  /** @type {null | {counts: {lost: number, doubled: number}, offset: number}} */
  #mending = null;
  #log;
  #histogram = false;
  /** @type {Set<(arrival: {at: number, ms: number | null, replayed: boolean}) => void>} */
  #observers = new Set();

  /**
   * @param {object} options
   * @param {'poll' | 'sse' | 'ws'} options.way
   * @param {string} options.label
   * @param {string[]} options.rooms
   * @param {() => number} options.clock     the page's clock, set to the server's
   * @param {(lane: Lane, arrival: Arrival) => {gap: number, own: boolean}} options.arrived
   */
  constructor({ way, label, rooms, clock, arrived }) {
    this.way = way;
    /** How it is connected now. @type {'poll' | 'sse' | 'ws'} */
    this.transport = way;
    this.label = label;
    this.name = t(`lane.${way}.short`);
    this.#rooms = rooms;
    this.#root = document.getElementById(`lane-${way}`);
    this.#mini = document.querySelector(`[data-mini="${way}"]`);
    this.#log = new Log({
      list: this.part('log'),
      more: this.part('more'),
      empty: this.part('empty'),
      words: { first: t('row.first'), replayed: t('row.replayed'), more: (count) => t('log.more', { count }) },
    });
    this.connection = connect({ transport: way, rooms, label, shared: false, backoff: { baseMs: 300, capMs: 2000 } });
    this.connection.on('*', (event, meta) => this.#event(event, meta, clock, arrived));
    this.connection.watch('state', ({ state, from }) => this.#turned(state, from));
    this.connection.watch('close', (end) => this.#ended(end));
    this.connection.watch('sync', (sync) => this.#integrity.sync(sync));
    this.connection.watch('gap', (gap) => this.#integrity.gap(gap));
    // The integrity has it from `sync`; here it is said that somebody heard it.
    this.connection.watch('reset', ({ cursor }) => { this.#offset = parseCursor(cursor)?.offset ?? 0; });
    this.#tabs();
    this.#face();
    this.#code();
  }

  /** @param {string} name @returns {any} */
  part(name) {
    return this.#root.querySelector(`[data-x="${name}"]`);
  }

  get state() { return SHOWN_STATE[this.connection.state]; }
  /** The rooms that it is in. */
  get rooms() { return this.#rooms; }
  /** Its session's public name. */
  get member() { return this.connection.member; }
  get paused() { return this.connection.state === 'paused'; }
  get root() { return this.#root; }

  /**
   * Goes on over another transport: the same cursor, the same session.
   * @param {'poll' | 'sse' | 'ws'} transport
   */
  switchTo(transport) {
    if (transport === this.transport) return;
    this.#outage.expect('switch', performance.now());
    this.transport = transport;
    this.name = t(`lane.${transport}.short`);
    // What was measured belongs to the other one.
    this.#latencies = new Latencies();
    this.#forgetCost();
    this.#wire?.change(transport);
    dress(this.way, transport);
    this.#code();
    this.connection.switchTransport(transport);
  }

  /** Begins new figures: what was measured so far belongs to other conditions. @param {number} now  of the page's clock */
  anew(now) {
    this.#since = now;
    this.#latencies = new Latencies();
    this.#forgetCost();
    this.#show();
  }

  #forgetCost() {
    this.#cost = new ByteCost();
    for (const name of ['bytes', 'payload', 'overhead']) this.part(name).textContent = '–';
    this.part('payload-bar').setAttribute('width', '0');
  }

  /** The server will be away, and is back when it answers. @param {number} ms */
  expectRestart(ms) {
    this.#outage.expect('restart', performance.now() + ms);
  }

  /** The server answers again. */
  restarted() {
    this.#outage.free(performance.now());
  }

  /** Tells each event as it comes. @returns {() => void} ends it */
  observe(told) {
    this.#observers.add(told);
    return () => this.#observers.delete(told);
  }

  /** What was lost, came twice, and was told, so far. */
  get counts() { return this.#counts; }

  /** The latest return after an interruption; serial 0 before there was one. */
  stamped = { serial: 0, backMs: 0, missed: 0, lost: 0, doubled: 0 };

  /** @returns {import('./verdict.js').LaneFigures} */
  get figures() {
    const quantiles = this.#latencies.quantiles(performance.now());
    return {
      way: this.transport,
      name: this.name,
      p50: quantiles?.p50 ?? null,
      each: this.#cost.perEvent()?.each ?? null,
      events: quantiles?.count ?? 0,
    };
  }

  /** The lane's own clause of the spoken summary. */
  get summary() {
    return t('summary.lane', { lane: this.name, state: t(`state.${this.state}`), events: this.#events, count: this.#integrity.lost, lost: this.#integrity.lost });
  }

  async kill() {
    this.#outage.expect('kill', performance.now());
    const { counts, serial } = { counts: this.#counts, serial: this.#serial };
    await api.kill(this.label);
    setTimeout(() => {
      if (!this.#outage.active && this.#serial === serial) this.#mending = { counts, offset: this.#offset };
    }, MENDED_MS);
  }

  /** @param {number} ms */
  async cut(ms) {
    this.#outage.expect('cut', performance.now() + ms);
    await api.cut(this.label, ms);
  }

  togglePause() {
    const now = performance.now();
    if (this.paused) {
      this.#outage.free(now);
      this.connection.resume();
    } else {
      this.#outage.expect('pause', now);
      this.connection.pause();
    }
    const button = this.#root.querySelector('[data-act="pause"]');
    button.setAttribute('aria-pressed', String(this.paused));
    button.textContent = t(this.paused ? 'act.resume' : 'act.pause');
  }

  #event(event, meta, clock, arrived) {
    const offset = parseCursor(event.id)?.offset ?? 0;
    this.#offset = offset;
    this.#events += 1;
    this.#payload += utf8Length(meta.text ?? JSON.stringify(event));
    this.#integrity.event(event.id);
    const replayed = this.#outage.active;
    this.#outage.event(meta.at);
    const at = clock() - (performance.now() - meta.at);
    const publishedAt = event.data?.at_us / 1000;
    for (const told of this.#observers) told({ at: meta.at, ms: publishedAt > 0 ? Math.max(0, at - publishedAt) : null, replayed });
    // A hidden page is throttled by the browser: what it measures says nothing about the transport.
    if (!replayed && publishedAt > this.#since && !document.hidden) {
      const ms = Math.max(0, at - publishedAt);
      this.#latencies.add(ms, meta.at);
      this.#minute.saw(meta.at, Math.max(ms, 0.01));
    }
    const { gap, own } = arrived(this, { event, offset, at, replayed });
    this.#log.add({
      id: event.id,
      n: offset,
      type: event.type,
      text: String(event.data?.text ?? ''),
      epochMs: at,
      gap,
      replayed,
      own,
    });
    if (replayed || this.#mending) this.#settle();
  }

  #turned(state, from) {
    if (from === 'live' && state !== 'live') this.#outage.begin(performance.now(), this.#counts);
    if (from === 'live') this.#outage.relapsed();
    if (state === 'live' && this.#outage.reopened()) this.#catchUp();
    this.#show();
  }

  get #counts() {
    return { lost: this.#integrity.lost, doubled: this.connection.stats.duplicates, told: this.#integrity.told };
  }

  // The lane is back once it has everything that the feed held when the stream reopened.
  async #catchUp() {
    try {
      const { epoch, last } = await api.feed();
      this.#epoch = epoch;
      this.#outage.aim(last);
      this.#settle();
    } catch {
      this.#outage.relapsed();
      setTimeout(() => { if (this.state === 'live' && this.#outage.reopened()) this.#catchUp(); }, 250);
    }
  }

  // A browser repeats a poll whose kept-alive connection broke, and tells nobody: the next event proves that it did.
  #mended() {
    const { counts, offset } = this.#mending;
    if (this.#offset <= offset) return;
    this.#mending = null;
    const now = this.#counts;
    this.#stamp({ kind: 'mended', lost: now.lost - counts.lost, doubled: now.doubled - counts.doubled, missed: 0, backMs: 0 });
  }

  #settle() {
    const place = parseCursor(this.connection.cursor);
    // A place in another life of the feed is no place in this one.
    const reached = place && place.epoch === this.#epoch ? place.offset : -1;
    const settled = performance.now();
    if (this.#integrity.holes.length > 0) return;
    if (this.#mending) this.#mended();
    const stamp = this.#outage.settle(reached, settled, this.#counts);
    if (stamp) this.#stamp(stamp);
  }

  #stamp({ kind, lost, doubled, missed, backMs, told = 0 }) {
    const node = this.part('stamp');
    node.dataset.kind = lost + doubled > 0 ? 'bad' : told > 0 ? 'told' : 'good';
    this.#serial += 1;
    node.dataset.serial = String(this.#serial);
    this.stamped = { serial: this.#serial, backMs, missed, lost, doubled };
    const { tellings } = this.#integrity;
    const named = told > 0 ? tellings.slice(-told) : [];
    // How much of another numbering is gone nobody can know.
    const isUnsure = named.some((telling) => telling.kind === 'epoch');
    const values = { count: lost, lost: `${number(lost)}${isUnsure ? '?' : ''}`, doubled, seconds: seconds(backMs) };
    const words = [kind === 'mended' ? t('stamp.mended.words', values) : t('stamp.back', values)];
    if (missed > 0) words.push(t('stamp.missed', { count: missed }));
    words.push(...named.map(tellingText));
    this.part('stamp-text').textContent = words.join(' · ');
    node.title = t(`stamp.${kind}`);
    this.#show();
  }

  // While it is away, the lane says since when and where it will go on.
  #away() {
    const since = this.#outage.since;
    if (since === null || this.connection.state === 'closed') return;
    const node = this.part('stamp');
    node.dataset.kind = 'away';
    node.title = '';
    this.part('stamp-text').textContent = t(this.paused ? 'stamp.paused' : 'stamp.away', {
      seconds: seconds(performance.now() - since),
      place: `#${number(this.#offset)}`,
    });
  }

  // The server has ended it for good: it does not come back by itself.
  #ended({ reason }) {
    const node = this.part('stamp');
    node.dataset.kind = 'away';
    node.title = '';
    this.part('stamp-text').textContent = t('stamp.ended', { reason });
  }

  /** Once a second: asks the tap, resolves holes, redraws the figures. */
  async second() {
    if (this.connection.state !== 'live') this.#minute.down(performance.now());
    this.#settle();
    await Promise.all([this.#readWire(), this.#checkHoles()]).catch(() => {
      // The next second asks again.
    });
    this.#show();
  }

  async #readWire() {
    const since = this.#wire?.since ?? NOTHING_SINCE;
    const answer = await api.wire(this.label, since);
    this.#totals = answer.totals;
    this.#wire?.show(answer, since);
    const { in_bytes: inBytes, out_bytes: outBytes } = answer.totals;
    this.#cost.sample({ wire: inBytes + outBytes, events: this.#events, payload: this.#payload });
  }

  async #checkHoles() {
    const hole = this.#integrity.holes[0];
    if (!hole) return;
    const limit = Math.min(HISTORY_MAX, hole.to - hole.from + 1);
    const page = await api.history(`${hole.epoch}-${hole.from - 1}`, limit, this.#rooms.join(','));
    this.#integrity.resolve(hole, page.sync ? null : await this.#meant(page.events.map((event) => event.id), hole));
    this.#settle();
  }

  // The history belongs to nobody: of what looks lost, the server says whether the publisher left this lane out.
  async #meant(ids, { from, to }) {
    const within = ids.filter((id) => { const offset = parseCursor(id)?.offset ?? 0; return offset >= from && offset <= to; });
    const asked = await Promise.all(within.slice(0, ASKED_MAX).map((id) => api.why(id, this.member)));
    return within.filter((_, i) => asked[i]?.verdict !== 'excluded');
  }

  /**
   * Once a frame.
   * @param {number} now
   * @returns {boolean} whether rows were written
   */
  paint(now) {
    if (this.#outage.active) this.#away();
    return this.#log.paint(now);
  }

  #show() {
    const now = performance.now();
    const word = t(`state.${this.state}`);
    for (const node of [this.#root, this.#mini]) node.dataset.state = this.state;
    this.part('state').textContent = word;
    this.#mini.querySelector('[data-x="mini-state"]').textContent = word;
    const quantiles = this.#latencies.quantiles(now);
    this.part('p50').textContent = quantiles ? millis(quantiles.p50) : '–';
    this.part('p99').textContent = quantiles ? millis(quantiles.p99) : '–';
    this.#mini.querySelector('[data-x="mini-p50"]').textContent = quantiles ? millis(quantiles.p50) : '–';
    this.#draw(now, quantiles);
    this.#showCost();
    const { requests, reconnects, duplicates } = this.connection.stats;
    this.part('requests').textContent = number(this.#totals?.requests ?? requests);
    this.part('reconnects').textContent = number(reconnects);
    const { lost, unchecked } = this.#integrity;
    this.part('lost').textContent = number(lost) + (unchecked > 0 ? '?' : '');
    this.part('doubled').textContent = number(duplicates);
    this.#root.dataset.lost = String(lost);
    this.#root.dataset.doubled = String(duplicates);
    this.#root.dataset.cursor = this.connection.cursor;
  }

  #draw(now, quantiles) {
    if (this.#histogram) drawHistogram(this.part('histogram'), this.#latencies.recent(now), quantiles);
    else drawSpark(this.part('spark'), this.#minute.seconds(now));
  }

  // One press turns the minute from a line over time into how often each latency was.
  #face() {
    const button = this.#root.querySelector('[data-act="face"]');
    button.addEventListener('click', () => {
      this.#histogram = !this.#histogram;
      button.setAttribute('aria-pressed', String(this.#histogram));
      this.part('spark').toggleAttribute('hidden', this.#histogram);
      this.part('histogram').toggleAttribute('hidden', !this.#histogram);
      this.part('scale').hidden = !this.#histogram;
      this.#show();
    });
  }

  #showCost() {
    const cost = this.#cost.perEvent();
    if (!cost) return;
    this.part('bytes').textContent = bytesText(cost.each);
    this.part('payload').textContent = bytesText(cost.payload);
    this.part('overhead').textContent = bytesText(cost.overhead);
    this.part('payload-bar').setAttribute('width', String(((cost.payload / cost.each) * 100).toFixed(1)));
  }

  /** @param {number | null} share */
  showShare(share) {
    this.part('first').textContent = share === null ? '–' : number(share * 100);
  }

  #tabs() {
    const tabs = [...this.#root.querySelectorAll('[role="tab"]')];
    const choose = (tab) => {
      for (const other of tabs) {
        const chosen = other === tab;
        other.setAttribute('aria-selected', String(chosen));
        other.tabIndex = chosen ? 0 : -1;
        document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
      }
      this.#look(tab.dataset.tab === 'wire').catch(() => {});
    };
    tabs.forEach((tab, i) => {
      tab.addEventListener('click', () => choose(tab));
      tab.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = tabs[(i + step + tabs.length) % tabs.length];
        next.focus();
        choose(next);
      });
    });
  }

  // What shows the bytes is loaded when somebody wants to see them.
  async #look(open) {
    if (open && !this.#wire) {
      const { WireView } = await import('./wireview.js');
      this.#wire ??= new WireView(this.transport, this.#root.querySelector('.panel-wire'));
    }
    if (!this.#wire) return;
    this.#wire.open = !this.#root.querySelector('.panel-wire').hidden;
    if (this.#wire.open) await this.#readWire();
  }

  #code() {
    const { js, curl, cli } = snippets(this.transport, location.origin, this.#rooms.filter((room) => !room.startsWith('only-')));
    this.part('code-js').textContent = js;
    this.part('code-curl').textContent = curl;
    this.part('code-cli').textContent = cli;
  }
}
