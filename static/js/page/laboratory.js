// What the page can do to its own network and crowd. The parts are loaded when they are first wanted, so that a visit that only
// looks does not pay for them.

import { t } from './words.js';

/**
 * @param {object} parts
 * @param {import('./lane.js').Lane[]} parts.lanes
 * @param {import('./controls.js').Controls} parts.controls
 * @param {string} parts.visitor
 * @param {() => Promise<void>} parts.restart
 * @param {import('./send.js').Send} parts.send
 */
export function laboratory({ lanes, controls, visitor, restart, send }) {
  let book = null;
  const bookLabel = (way) => `book-${visitor}-${way}`;
  const labels = lanes.map((lane) => ({ label: lane.label, way: lane.way, more: () => (book ? bookLabel(lane.way) : null) }));
  const network = once(async () => new (await import('./network.js')).NetworkControls(labels, (seconds) => { for (const lane of lanes) lane.connection.setWait(seconds); }));
  const scenes = once(async () => (await import('./scenes.js')).scenes({
    lanes, controls, network: await network(), restart, lostByTextbook: () => book?.lost ?? NaN,
    bookLabels: () => (book ? lanes.map((lane) => bookLabel(lane.way)) : []),
  }));
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-scene]'))) {
    button.addEventListener('click', async () => {
      try {
        await (await scenes())(button.dataset.scene);
      } catch (fault) {
        const result = document.querySelector('[data-x="scene-result"]');
        result.textContent = t('scene.failed', { name: t(`scene.${button.dataset.scene}`), why: fault.message });
      }
    });
  }
  opened('.network', network);
  opened('.advice', once(async () => (await import('./advice.js')).adviser()));
  opened('.bots', once(async () => (await import('./bots.js')).bots(send)));
  const toggle = document.querySelector('[data-act="textbook"]');
  toggle.addEventListener('click', async () => {
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
  });
  return {
    /** Cut, kill and the like go for the textbook's connections too. */
    get bookLabels() { return book ? lanes.map((lane) => bookLabel(lane.way)) : []; },
  };
}

/** The first call makes it; every call gives it. What could not be made, as while the server is away, is tried anew. */
function once(make) {
  let made = null;
  return () => (made ??= make().catch((fault) => { made = null; throw fault; }));
}

/** A part that is folded away begins when it is first unfolded. */
function opened(selector, begin) {
  const part = /** @type {HTMLDetailsElement} */ (document.querySelector(selector));
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (part.querySelectorAll('input, select'));
  const dead = (is) => { for (const input of inputs) input.disabled = is; };
  // Nobody moves a slider to which nothing listens yet. What fails to load is loaded when the part is unfolded again.
  dead(true);
  const tried = () => { if (part.open) begin().then(() => dead(false), () => { part.open = false; }); };
  tried();
  part.addEventListener('toggle', tried);
}
