// What the page can do to its own network and crowd. The parts are loaded when they are first wanted, so that a visit that only
// looks does not pay for them.

import { t } from './words.js';

/** What a hand does to the lanes or to what everybody sees, which a scenario's sentence would not tell of. */
const HAND = [
  ['click', '[data-act="cut-all"], [data-act="restart"], [data-act="kill"], [data-act="pause"], [data-act="cut"], [data-act="source"], [data-act="burst"], [data-act="bots-again"]'],
  ['input', '#rate, #payload, #bots, #poll-wait, [data-net], [data-act="transport"]'],
];

/**
 * @param {object} parts
 * @param {import('./lane.js').Lane[]} parts.lanes
 * @param {import('./controls.js').Controls} parts.controls
 * @param {string} parts.visitor
 * @param {() => Promise<void>} parts.restart
 * @param {import('./send.js').Send} parts.send
 * @param {() => void} parts.anew  begins new figures
 */
export function laboratory({ lanes, controls, visitor, restart, send, anew }) {
  let book = null;
  const bookLabel = (way) => `book-${visitor}-${way}`;
  const labels = lanes.map((lane) => ({ label: lane.label, way: lane.way, more: () => (book ? bookLabel(lane.way) : null) }));
  const network = once(async () => new (await import('./network.js')).NetworkControls(labels, (seconds) => { for (const lane of lanes) lane.connection.setWait(seconds); }));
  let staged = null;
  const scenes = once(async () => (staged = (await import('./scenes.js')).scenes({
    lanes, controls, network: await network(), restart, visitor, anew, lostByTextbook: () => book?.lost ?? NaN,
    bookLabels: () => (book ? lanes.map((lane) => bookLabel(lane.way)) : []),
  })));
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-scene]'))) {
    button.addEventListener('click', async () => {
      try {
        await (await scenes()).play(button.dataset.scene);
      } catch (fault) {
        const result = document.querySelector('[data-x="scene-result"]');
        result.textContent = t('scene.failed', { name: t(`scene.${button.dataset.scene}`), why: fault.message });
      }
    });
  }
  const loss = once(async () => (await import('./loss.js')).loss(lanes.map((lane) => lane.way), visitor));
  // What did not load is loaded by the next press.
  const lose = () => loss().then((run) => run(), () => {});
  for (const button of document.querySelectorAll('[data-act="lose"]')) button.addEventListener('click', lose);
  opened('.network', network);
  opened('.advice', once(async () => (await import('./advice.js')).adviser()));
  opened('.bots', once(async () => (await import('./bots.js')).bots(send, () => controls.tooMuch)));
  const toggle = document.querySelector('[data-act="textbook"]');
  let isTurning = false;
  const turn = async () => {
    const root = /** @type {HTMLElement} */ (document.querySelector('.textbook'));
    if (book) {
      book.stop();
      book = null;
    } else {
      const { textbook } = await import('./textbook.js');
      book = textbook(lanes.map((lane) => lane.way), bookLabel);
      await (await network()).again();
    }
    root.dataset.on = String(Boolean(book));
    toggle.setAttribute('aria-pressed', String(Boolean(book)));
    toggle.textContent = t(book ? 'book.off' : 'book.on');
  };
  toggle.addEventListener('click', async () => {
    if (isTurning) return;
    isTurning = true;
    await turn().catch(() => {});
    isTurning = false;
  });
  const disturb = () => staged?.disturb();
  const look = document.querySelector('[data-x="scene-look"]');
  let elsewhere = null;
  for (const [kind, selector] of HAND) {
    document.addEventListener(kind, ({ target }) => {
      const control = /** @type {Element} */ (target).closest(selector);
      if (control && control.getAttribute('aria-disabled') !== 'true') disturb();
    }, { capture: true });
  }
  return {
    lose,
    /** Which scenario runs, on whichever page. @param {{id: string, name: string} | null} scene */
    seen(scene) {
      staged?.seen(scene);
      const other = scene && !scene.id.startsWith(`${visitor}-`) ? scene.name : null;
      if (other === elsewhere) return;
      elsewhere = other;
      look.textContent = t(!other ? 'scenes.choose' : known(other) ? 'scenes.elsewhere' : 'scenes.elsewhere_unknown', { name: known(other) ? t(`scene.${other}`) : '' });
    },
    /** What a hand does by a key ends a scenario as well. */
    disturb,
    /** Cut, kill and the like go for the textbook's connections too. */
    get bookLabels() { return book ? lanes.map((lane) => bookLabel(lane.way)) : []; },
  };
}

const known = (scene) => document.querySelector(`[data-scene="${CSS.escape(scene ?? '')}"]`) !== null;

/** The first call makes it; every call gives it. What could not be made, as while the server is away, is tried anew. */
function once(make) {
  let made = null;
  return () => (made ??= make().catch((fault) => { made = null; throw fault; }));
}

/**
 * A part that is folded away begins when it is first unfolded. The page comes with its controls disabled: nobody moves a
 * slider to which nothing listens yet. What fails to load folds itself, and is loaded when it is unfolded again.
 */
function opened(selector, begin) {
  const part = /** @type {HTMLDetailsElement} */ (document.querySelector(selector));
  const enable = () => {
    for (const control of /** @type {NodeListOf<HTMLInputElement>} */ (part.querySelectorAll(':disabled'))) control.disabled = false;
  };
  const tried = () => { if (part.open) begin().then(enable, () => { part.open = false; }); };
  tried();
  part.addEventListener('toggle', tried);
}
