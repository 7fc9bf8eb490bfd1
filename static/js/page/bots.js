// The bots: subscribers in a process of their own, never connections of this browser. Loaded when they are first wanted.

import { api } from './api.js';
import { isFor, whyNot } from './audience.js';
import { countAt, placeOf } from './crowd.js';
import { millis, number, t } from './words.js';

const LOOK_MS = 500;
// A flash is over before the next look.
const FLASH_MS = 400;
// Then the line of the bots is shown again.
const REFUSED_MS = 6000;

const receiver = (bot) => ({ rooms: [bot.room], member: bot.member });

/**
 * Without the first answer nobody knows how many there can be, and each place of the slider would mean none.
 * @param {import('./send.js').Send} send  the form of this page: what it sent last, and whom it can address
 * @param {() => string} tooMuch  why a number that there can be is refused
 */
export async function bots(send, tooMuch) {
  const first = await api.bots();
  const root = document.querySelector('.bots');
  const part = (name) => root.querySelector(`[data-x="bots-${name}"]`);
  const [slider, tiles, detail, said] = [document.getElementById('bots'), part('tiles'), part('detail'), part('said')];
  const again = root.querySelector('[data-act="bots-again"]');
  let max = 0;
  let wanted = 0;
  let chosen = -1;
  let last = null;
  let held = -Infinity;
  let seen = [];
  let refused = { words: '', until: -Infinity };

  const want = async (count) => {
    held = performance.now();
    part('count').textContent = number(count);
    await api.wantBots(count).then(show, (error) => {
      // The next look shows what was granted.
      held = -Infinity;
      if (error.status === 400) refused = { words: tooMuch(), until: performance.now() + REFUSED_MS };
    });
  };
  slider.addEventListener('change', () => want(countAt(Number(slider.value), max)));
  slider.addEventListener('input', () => { held = performance.now(); part('count').textContent = number(countAt(Number(slider.value), max)); });
  again.addEventListener('click', () => want(wanted));

  const tile = (i) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'bot';
    button.addEventListener('click', () => { chosen = i; tell(); });
    tiles.append(button);
    return button;
  };

  const tell = () => {
    const bot = last?.tiles[chosen];
    for (const [i, node] of [...tiles.children].entries()) node.setAttribute('aria-pressed', String(i === chosen));
    if (!bot) { detail.textContent = ''; return; }
    const [offset, ms] = bot.recent.at(-1) ?? [null, 0];
    detail.textContent = t('bots.detail', {
      n: chosen + 1, way: t(`lane.${bot.way}.short`), room: bot.room, state: t(bot.live ? 'state.live' : 'state.down'), received: number(bot.received),
      last: offset === null ? '–' : `#${number(offset)} · ${millis(ms)} ms`,
    });
  };

  const paintTile = (node, bot, i, event) => {
    node.dataset.way = bot.way;
    node.dataset.live = String(bot.live);
    const got = event && bot.recent.find(([offset]) => offset === event.offset);
    const outside = event && !isFor(event, receiver(bot));
    // Shape and word go with the colour; what is not for it is told from what did not come.
    const mark = { poll: '▲', sse: '■', ws: '●' }[bot.way];
    node.textContent = `${mark}${event ? (got ? '✓' : outside ? '—' : '·') : ''}`;
    const words = `bot ${i + 1}, ${t(`lane.${bot.way}.short`)}, ${bot.room}`;
    const who = event ? `: ${got ? `✓ ${millis(got[1])} ms` : t(outside ? `who.${whyNot(event)}` : 'bots.not_yet')}` : '';
    node.title = words + who;
    node.setAttribute('aria-label', words + who);
    if (bot.received > (seen[i] ?? bot.received)) {
      node.dataset.flash = '';
      setTimeout(() => delete node.dataset.flash, FLASH_MS);
    }
    seen[i] = bot.received;
  };

  const show = (state) => {
    ({ max, wanted } = state);
    last = state.report;
    if (performance.now() - held > 1500) {
      slider.max = String(placeOf(max));
      slider.value = String(placeOf(wanted));
      part('count').textContent = number(wanted);
    }
    root.dataset.running = String(state.running);
    again.hidden = !state.died;
    if (performance.now() < refused.until) said.textContent = refused.words;
    else if (state.died) said.textContent = t('bots.died', { why: state.died });
    else if (!last) said.textContent = t(wanted > 0 ? 'bots.coming' : 'bots.none');
    else {
      const [poll, sse, ws] = last.live;
      said.textContent = t('bots.said', { n: number(poll + sse + ws), of: number(wanted), poll: number(poll), sse: number(sse), ws: number(ws), received: number(last.received) });
    }
    const list = last?.tiles ?? [];
    while (tiles.children.length > list.length) tiles.lastElementChild.remove();
    if (list.length === 0) seen = [];
    send.offer(list);
    const event = send.sent;
    list.forEach((bot, i) => paintTile(tiles.children[i] ?? tile(i), bot, i, event));
    part('who').textContent = event && list.length > 0 ? who(list, event) : '';
    tell();
  };

  const look = async () => {
    if (!document.hidden) await api.bots().then(show, () => {});
    setTimeout(look, LOOK_MS);
  };
  show(first);
  setTimeout(look, LOOK_MS);
}

/** How many of those that the event was for have it. Pure but for the words. */
function who(list, event) {
  const meant = list.filter((bot) => isFor(event, receiver(bot)));
  const times = meant.flatMap((bot) => bot.recent.filter(([at]) => at === event.offset).map(([, ms]) => ms));
  return t('bots.who', { id: `#${number(event.offset)}`, n: times.length, of: meant.length, most: times.length > 0 ? millis(Math.max(...times)) : '–' });
}
