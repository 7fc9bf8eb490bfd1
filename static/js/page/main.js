// The page: three lanes on one feed. This file wires the parts together and owns the only two clocks of the page, the
// frame and the second.

import { parseCursor } from '../tricast.js';
import { api, ClockOffset, pageClock } from './api.js';
import { Controls } from './controls.js';
import { Lane } from './lane.js';
import { Ledger } from './ledger.js';
import { PaintClock } from './paint.js';
import { Race } from './race.js';
import { restart } from './restart.js';
import { Send } from './send.js';
import { laboratory } from './laboratory.js';
import { help, languages, selection, sheet, shortcuts, themes } from './shell.js';
import { verdict } from './verdict.js';
import { loadWords, millis, number, seconds, t } from './words.js';

const WAYS = /** @type {const} */ (['poll', 'sse', 'ws']);
const CUT_MS = 5000;
const SUMMARY_SECONDS = 10;
// After the network is back, so long for the lanes to say how they came through.
const RETURN_MS = 20_000;
// Browsers slow a hidden page down; the note of it stays for as long as the figures of that time are in the lanes' minute.
const THROTTLED_MS = 60_000;
// Lives of the feed that are told apart.
const EPOCHS_MAX = 20;

const part = (name) => document.querySelector(`[data-x="${name}"]`);
const offset = new ClockOffset();
const clock = () => pageClock() + offset.correction;

async function readState() {
  const sent = pageClock();
  const state = await api.state();
  offset.sample(state.now, sent, pageClock());
  return state;
}

/** The first answer decides which rooms there are; without it nothing can start. */
async function firstState() {
  for (;;) {
    try {
      return await readState();
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  }
}

async function start() {
  await loadWords();
  themes();
  languages();
  const state = await firstState();
  for (let i = 0; i < 4; i += 1) await readState().catch(() => {});

  const ledger = new Ledger(WAYS.length);
  const race = new Race(document.querySelector('.race'));
  const send = new Send({ ways: [...WAYS], rooms: state.source.rooms, ledger, clock, receivers: () => lanes });
  const paintClock = new PaintClock(clock);
  const visitor = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join('');

  let epochs = new Set();
  const arrived = (lane, { event, offset: at, at: time, replayed }) => {
    const epoch = parseCursor(event.id)?.epoch ?? '';
    if (!epochs.has(epoch)) {
      // A new life of the feed numbers anew.
      epochs = new Set([...epochs, epoch].slice(-EPOCHS_MAX));
      ledger.clear();
    } else if (epoch !== [...epochs].at(-1)) return { gap: 0, own: send.isOwn(event) };
    const { gap, complete } = ledger.arrive(WAYS.indexOf(lane.way), at, time, replayed);
    const publishedAt = event.data?.at_us / 1000;
    if (publishedAt > 0 && !replayed) paintClock.arrived(publishedAt);
    if (complete && publishedAt > 0) {
      const took = ledger.times(at).map((each) => Math.max(0, each - publishedAt));
      race.finished({ n: at, type: event.type, text: String(event.data.text ?? ''), publishedAt, took, ways: WAYS });
    }
    return { gap, own: send.isOwn(event) };
  };
  const lanes = WAYS.map((way) => new Lane({
    way,
    label: `lane-${visitor}-${way}`,
    rooms: [...state.source.rooms, `only-${way}`],
    clock,
    arrived,
  }));

  const controls = new Controls(state);
  const selected = selection(lanes);
  let lab = null;
  const cutAll = networkCut(lanes, () => lab?.bookLabels ?? []);
  const again = restart(lanes);
  lab = laboratory({
    lanes, controls, visitor, restart: again, send,
    anew: () => {
      for (const each of [...lanes, paintClock]) each.anew(clock());
      ledger.anew();
    },
  });
  const byHand = (act) => () => {
    lab.disturb();
    act();
  };
  const { open } = help();
  sheet();
  acts(lanes);
  shortcuts({
    1: () => selected.choose(lanes[0]),
    2: () => selected.choose(lanes[1]),
    3: () => selected.choose(lanes[2]),
    ' ': byHand(() => selected.lane.togglePause()),
    k: byHand(() => tried(selected.lane.kill())),
    c: byHand(() => tried(selected.lane.cut(CUT_MS))),
    x: byHand(cutAll),
    r: byHand(again),
    l: lab.lose,
    b: byHand(() => send.burst()),
    '/': () => send.focus(),
    '?': open,
  });
  frames((now) => {
    const written = lanes.map((lane) => lane.paint(now)).some(Boolean);
    race.paint(now);
    send.paint();
    if (written) paintClock.frame();
  });
  eachSecond(async (count) => {
    // The figures of one second must not wait for a lane that is cut off.
    await Promise.all([...lanes.map((lane) => lane.second()), readState().then((next) => { controls.show(next); lab.seen(next.scene); }, () => {})]);
    showPage(lanes, ledger, paintClock);
    if (count % SUMMARY_SECONDS === 0) part('summary').textContent = lanes.map((lane) => lane.summary).join(' ');
  });
  document.documentElement.dataset.ready = 'true';
}

let hiddenAt = -Infinity;

function showPage(lanes, ledger, paintClock) {
  const live = lanes.filter((lane) => lane.state === 'live').length;
  const pulse = document.querySelector('.pulse');
  pulse.dataset.live = live === lanes.length ? 'all' : live > 0 ? 'some' : 'none';
  part('live').textContent = t(`live.${pulse.dataset.live}`, { n: live });
  const shares = ledger.shares();
  lanes.forEach((lane, i) => lane.showShare(shares ? shares[i] : null));
  if (offset.best) part('clock').textContent = `${millis(offset.best.offset)} ± ${millis(offset.best.doubt)} ms`;
  const paint = paintClock.quantiles;
  if (paint) {
    part('paint').textContent = `p99 ${millis(paint.p99)} ms`;
    part('paint').dataset.p99 = paint.p99.toFixed(2);
  }
  part('verdict').textContent = new Set(lanes.map((lane) => lane.transport)).size < lanes.length ? t('verdict.switched') : verdict(lanes.map((lane) => lane.figures))
    .map(({ key, values }) => t(key, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shown(name, value)]))))
    .join(' ');
  if (document.hidden) hiddenAt = performance.now();
  part('throttled').hidden = performance.now() - hiddenAt > THROTTLED_MS;
}

const shown = (name, value) => (name === 'ms' ? millis(Number(value)) : name === 'times' ? number(Number(value), 1) : value);

function acts(lanes) {
  for (const lane of lanes) {
    const press = (name, act) => lane.root.querySelector(`[data-act="${name}"]`).addEventListener('click', act);
    press('kill', () => tried(lane.kill()));
    press('pause', () => lane.togglePause());
    press('cut', () => tried(lane.cut(CUT_MS)));
    const select = lane.root.querySelector('[data-act="transport"]');
    // A browser that comes back to the page keeps what was chosen before; the lane does not.
    select.value = lane.transport;
    select.addEventListener('change', () => lane.switchTo(select.value));
  }
}

/** The big button: every lane at once, with the seconds that are left on it. */
function networkCut(lanes, others) {
  const buttons = [...document.querySelectorAll('[data-act="cut-all"]')];
  const words = part('cut-all');
  let until = 0;
  const result = part('cut-result');
  let before = null;
  // The lanes' stamps stand further down: what they come to is said beside the button as well.
  const settle = () => {
    if (!before) return;
    const back = lanes.filter((lane, i) => lane.stamped.serial > before[i]);
    if (back.length === lanes.length) {
      const stamps = lanes.map((lane) => lane.stamped);
      const sum = (field) => stamps.reduce((all, stamp) => all + (stamp[field] ?? 0), 0);
      result.textContent = t('stamp.all', { count: sum('lost'), lost: sum('lost'), doubled: sum('doubled'), times: lanes.map((lane, i) => `${lane.name} ${seconds(stamps[i].backMs)} s`).join(' · ') });
      before = null;
    } else if (performance.now() < until + RETURN_MS) {
      setTimeout(settle, 100);
    }
  };
  const show = () => {
    const left = until - performance.now();
    for (const button of buttons) {
      button.toggleAttribute('data-busy', left > 0);
      button.setAttribute('aria-disabled', String(left > 0));
      button.style.setProperty('--left', String(Math.max(0, left / CUT_MS)));
    }
    words.textContent = left > 0 ? t('act.cutting', { seconds: seconds(left) }) : t('act.cut_all');
    if (left > 0) setTimeout(show, 100);
  };
  const cut = () => {
    if (performance.now() < until) return;
    until = performance.now() + CUT_MS;
    before = lanes.map((lane) => lane.stamped.serial);
    settle();
    for (const lane of lanes) tried(lane.cut(CUT_MS));
    for (const label of others()) tried(api.cut(label, CUT_MS));
    show();
  };
  for (const button of buttons) button.addEventListener('click', cut);
  return cut;
}

// A button whose request fails has done nothing: its lane shows as much.
const tried = (promise) => promise.catch(() => {});

function frames(paint) {
  const frame = () => {
    paint(performance.now());
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function eachSecond(act) {
  let count = 0;
  let busy = false;
  setInterval(async () => {
    if (busy) return;
    busy = true;
    count += 1;
    await act(count).finally(() => { busy = false; });
  }, 1000);
}

start();
