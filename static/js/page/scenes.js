// Scenarios by one click: each sets the stage, runs, and ends in one sentence of what was measured. What was set before is
// set again afterwards, also where it is stopped: the server keeps it under a lease and does so even when the page is gone.

import { api } from './api.js';
import { names } from './names.js';
import { summed } from './silence.js';
import { bytesText, millis, number, seconds, t } from './words.js';

const CUT_MS = 5000;
// Back within this, or the sentence says that a lane is not.
const RETURN_MS = 20_000;
const CROWD = 10_000;
// The crowd arrives at a thousand a second where the machine can.
const ARRIVAL_MS = 25_000;
const TICK_MS = 100;
// The longest that the server gives, and longer than any scenario takes.
const LEASE_SECONDS = 60;
export const SCENES = ['calm', 'burst', 'slow', 'proxy', 'cut', 'restart', 'crowd'];

/** Watches the lanes from now on. */
function watch(lanes) {
  const began = performance.now();
  const notes = lanes.map((lane) => {
    const note = { lane, arrivals: [], before: { ...lane.counts }, serial: lane.stamped.serial };
    return { ...note, stop: lane.observe((arrival) => note.arrivals.push(arrival)) };
  });
  return () => {
    const ended = performance.now();
    const called = names(lanes);
    return notes.map(({ lane, arrivals, before, serial, stop }, i) => {
      stop();
      const now = lane.counts;
      const stamp = lane.stamped.serial > serial ? lane.stamped : null;
      return {
        way: lane.way, name: called[i], state: lane.state, stamp, ...summed(arrivals, began, ended),
        lost: now.lost - before.lost, told: now.told - before.told,
      };
    });
  };
}

const ms = (value) => (value === null ? '–' : `${millis(value)} ms`);
const sum = (lanes, name) => lanes.reduce((all, lane) => all + lane[name], 0);
const each = (lanes, text) => lanes.map((lane) => `${lane.name} ${text(lane)}`).join(', ');
// Where a lane was told that something is gone, its count of what is lost is only what is known of.
const losses = (lanes) => t(sum(lanes, 'told') > 0 ? 'scene.lost_known' : 'scene.lost', { count: sum(lanes, 'lost') });

/** Long silences in front; without any, nothing is claimed. */
function silences(lanes) {
  const worst = [...lanes].sort((a, b) => b.silence - a.silence)[0];
  const others = lanes.filter((lane) => lane !== worst);
  return t('scene.proxy.result', {
    worst: worst.name, seconds: seconds(worst.silence), together: number(worst.together),
    others: each(others, (lane) => `${seconds(lane.silence)} s`), lost: losses(lanes),
  });
}

const back = ({ stamp, state }) => (stamp ? `${seconds(stamp.backMs)} s` : t(state === 'paused' ? 'state.paused' : 'scene.not_back'));
const returned = (lanes) => each(lanes, back);

/** The sentence of each, from what was measured. Pure but for the words. */
export const SENTENCES = {
  calm: ({ lanes }) => t('scene.calm.result', { events: number(Math.max(...lanes.map(({ count }) => count))), times: each(lanes, ({ p50 }) => ms(p50)), lost: losses(lanes) }),
  burst: ({ lanes }) => t('scene.burst.result', { events: each(lanes, ({ count }) => number(count)), times: each(lanes, ({ p99 }) => ms(p99)), lost: losses(lanes) }),
  slow: ({ lanes }) => t('scene.slow.result', { times: each(lanes, ({ p50 }) => ms(p50)), lost: losses(lanes) }),
  proxy: ({ lanes }) => silences(lanes),
  cut: ({ lanes }) => t('scene.cut.result', { times: returned(lanes), missed: number(Math.max(...lanes.map(({ stamp }) => stamp?.missed ?? 0))), lost: losses(lanes) }),
  restart: ({ lanes, away }) => t('scene.restart.result', { seconds: seconds(away), times: returned(lanes), lost: losses(lanes), told: number(sum(lanes, 'told')) }),
  crowd: ({ lanes, crowd }) => t(crowd.count > 0 ? 'scene.crowd.result' : 'scene.crowd.none', {
    count: number(crowd.count), wanted: number(crowd.wanted), deliveries: number(crowd.deliveries), cpu: number(crowd.cpu, 0), memory: bytesText(crowd.rss),
    times: each(lanes, ({ p99 }) => ms(p99)), lost: losses(lanes),
  }),
};

export class Stopped extends Error {}

/**
 * @param {object} stage
 * @param {any[]} stage.lanes
 * @param {any} stage.controls
 * @param {any} stage.network
 * @param {() => Promise<void>} stage.restart
 * @param {string} stage.visitor
 * @param {() => void} stage.anew  what was measured belongs to what was set for the scenario
 * @param {() => number} stage.lostByTextbook  events that the textbook's lanes have lost; NaN while they are off
 * @param {() => string[]} stage.bookLabels
 */
export function scenes({ lanes, controls, network, restart, visitor, anew, lostByTextbook, bookLabels }) {
  const root = document.querySelector('.scenes');
  const stopper = root.querySelector('[data-act="scene-stop"]');
  const [look, result, bar] = ['look', 'result', 'bar'].map((name) => root.querySelector(`[data-x="scene-${name}"]`));
  const buttons = /** @type {HTMLButtonElement[]} */ ([...root.querySelectorAll('[data-scene]')]);
  let running = null;
  let played = 0;

  const pause = (length, until = () => false) => new Promise((resolve, reject) => {
    const began = performance.now();
    const tick = () => {
      const passed = performance.now() - began;
      bar.value = Math.min(1, passed / length);
      if (!running || running.stopped) reject(new Stopped());
      else if (passed >= length || until()) resolve(undefined);
      else setTimeout(tick, TICK_MS);
    };
    tick();
  });

  // One that was paused by hand does not come back.
  const haveReturned = (before) => lanes.every((lane, i) => lane.paused || lane.stamped.serial > before[i]);

  const acts = {
    calm: async () => {
      await stage({ rate: 2, payload: 256 });
      return measured(() => pause(10_000));
    },
    burst: async () => {
      await stage({ rate: 2, payload: 256 });
      return measured(async () => {
        await pause(2000);
        await controls.set({ rate: 500 }, running.id);
        await pause(4000);
        await controls.set({ rate: 2 }, running.id);
        await pause(5000);
      });
    },
    slow: async () => {
      await stage({ rate: 5, payload: 256 }, { latency_ms: 300, jitter_ms: 100, bytes_per_s: 32_768 });
      await pause(2000);
      return measured(() => pause(12_000));
    },
    proxy: async () => {
      await stage({ rate: 5, payload: 256 }, { buffer_ms: 8000 });
      return measured(() => pause(20_000));
    },
    cut: async () => {
      await stage({ rate: 5, payload: 256 });
      await pause(1000);
      return measured(async () => {
        const before = lanes.map((lane) => lane.stamped.serial);
        for (const lane of lanes) lane.cut(CUT_MS).catch(() => {});
        for (const label of bookLabels()) api.cut(label, CUT_MS).catch(() => {});
        await pause(CUT_MS);
        await pause(RETURN_MS, () => haveReturned(before));
        await pause(1500);
      });
    },
    restart: async () => {
      await stage({ payload: 256 });
      return measured(async () => {
        const before = lanes.map((lane) => lane.stamped.serial);
        const began = performance.now();
        let away = 0;
        running.back = restart().then(() => { away = performance.now() - began; });
        await pause(RETURN_MS, () => away > 0 && haveReturned(before));
        return { away: away || performance.now() - began };
      });
    },
    crowd: async () => {
      await stage({ rate: 1, payload: 256 });
      const { max } = await api.bots();
      const wanted = Math.min(CROWD, max);
      await api.wantBots(wanted, running.id);
      let live = 0;
      let asking = false;
      await pause(ARRIVAL_MS, () => {
        if (!asking) {
          asking = true;
          api.bots().then(({ report }) => { live = report ? sumOf(report.live) : 0; }, () => {}).finally(() => { asking = false; });
        }
        return live >= wanted;
      });
      return measured(async () => {
        const before = (await api.state()).server;
        await pause(10_000);
        const after = (await api.state()).server;
        const { report } = await api.bots();
        const deliveries = ((after.deliveries - before.deliveries) * 1000) / Math.max(1, after.uptime_ms - before.uptime_ms);
        return { crowd: { count: report ? sumOf(report.live) : 0, wanted, deliveries, cpu: after.cpu_percent ?? 0, rss: after.rss_bytes ?? 0 } };
      });
    },
  };

  const stage = async (source, conditions = {}) => {
    await controls.set({ paused: false, ...source }, running.id);
    await network.set(conditions);
    anew();
  };
  const measured = async (act) => {
    const textbook = lostByTextbook();
    const read = watch(lanes);
    try {
      const more = await act();
      return { lanes: read(), textbook: lostByTextbook() - textbook, ...more };
    } catch (error) {
      read();
      throw error;
    }
  };

  /** Whether nothing was changed by hand up to here. */
  const restore = async (kept) => {
    // There is nobody to be asked while the server is away.
    await running.back;
    const isOver = await api.sceneEnd(running.id).then(() => false, (error) => error.status === 409);
    controls.release();
    await network.restore(kept).catch(() => {});
    // A new server does not know the lease, and has what was set before it.
    return !isOver || running.back !== null;
  };

  const show = (name) => {
    for (const button of buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.scene === name));
      button.setAttribute('aria-disabled', String(name !== null));
    }
    stopper.hidden = name === null;
    bar.hidden = name === null;
    root.dataset.running = name ?? '';
    if (name) look.textContent = t(`scene.${name}.look`);
  };

  const say = (words, scene = 'none') => {
    result.textContent = words;
    result.dataset.scene = scene;
    running = null;
    show(null);
  };

  const play = async (name) => {
    if (running) return;
    played += 1;
    running = { id: `${visitor}-${played}`, stopped: false, disturbed: false, back: null, unseen: 0 };
    show(name);
    const title = t(`scene.${name}`);
    const kept = network.keep();
    try {
      await api.scene(running.id, name, LEASE_SECONDS);
    } catch (error) {
      say(t('scene.failed', { name: title, why: error.status === 409 ? t('scene.busy') : error.message }));
      return;
    }
    let [words, fault] = ['', null];
    try {
      const told = await acts[name]();
      const textbook = told.textbook > 0 ? ` ${t('scene.textbook', { n: number(told.textbook) })}` : '';
      words = t('scene.says', { name: title, text: SENTENCES[name](told) + textbook });
    } catch (error) {
      fault = error;
    }
    const { disturbed } = running;
    const isOurs = await restore(kept);
    anew();
    if (disturbed || !isOurs) say(t('scene.disturbed', { name: title }));
    else if (fault instanceof Stopped) say(t('scene.stopped', { name: title }));
    else if (fault) say(t('scene.failed', { name: title, why: fault.message }));
    else say(words, name);
  };

  addEventListener('pagehide', () => { if (running) api.sceneEnd(running.id).catch(() => {}); });
  stopper.addEventListener('click', () => { if (running) running.stopped = true; });
  return {
    play,
    /** Something was done by hand that the sentence would not tell of: the scenario ends without one. */
    disturb() {
      if (running) Object.assign(running, { stopped: true, disturbed: true });
    },
    /**
     * What the server says of the scenario that runs, once a second.
     * @param {{id: string, name: string} | null} scene
     */
    seen(scene) {
      if (!running || running.back) return;
      // One answer may be from before it began; two are not.
      running.unseen = scene?.id === running.id ? 0 : running.unseen + 1;
      if (running.unseen > 1) this.disturb();
    },
  };
}

const sumOf = (counts) => counts.reduce((all, count) => all + count, 0);
