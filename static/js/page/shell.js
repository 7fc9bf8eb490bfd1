// What stands round the lanes: theme, language, keyboard, help, and the sheet of small screens.

import { t } from './words.js';

const THEMES = ['auto', 'light', 'dark'];

const store = {
  read: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  write: (key, value) => { try { localStorage.setItem(key, value); } catch { /* Storage is off: for this visit only. */ } },
};

export function themes() {
  const root = document.documentElement;
  const button = document.querySelector('[data-act="theme"]');
  const tell = () => {
    const words = t(`theme.${root.dataset.theme}`);
    button.querySelector('[data-x="theme"]').textContent = words;
    button.title = words;
  };
  button.addEventListener('click', () => {
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    store.write('tricast.theme', root.dataset.theme);
    tell();
  });
  tell();
}

/** A change of language keeps everything else in the address. */
export function languages() {
  for (const link of document.querySelectorAll('.pref-lang')) {
    const url = new URL(location.href);
    url.searchParams.set('lang', link.lang);
    link.href = url.search + url.hash;
  }
}

/** @returns {{open: () => void}} */
export function help() {
  const dialog = document.querySelector('.help');
  document.querySelector('[data-act="help"]').addEventListener('click', () => dialog.showModal());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  return { open: () => dialog.showModal() };
}

const TYPING = 'input, select, textarea, [contenteditable]';
const PRESSING = `${TYPING}, button, a, summary, [role="tab"], [tabindex="0"]`;

/**
 * Single-key shortcuts, with their switch (WCAG 2.1.4).
 * @param {Record<string, () => void>} keys  by `KeyboardEvent.key`
 */
export function shortcuts(keys) {
  const box = document.querySelector('[data-x="keys-on"]');
  box.checked = store.read('tricast.keys') !== 'off';
  box.addEventListener('change', () => store.write('tricast.keys', box.checked ? 'on' : 'off'));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = /** @type {Element} */ (event.target);
    const act = keys[event.key];
    const busy = target.closest(event.key === ' ' ? PRESSING : TYPING) || document.querySelector('dialog[open]');
    if (!act || busy || !box.checked) return;
    event.preventDefault();
    act();
  });
}

/** The bottom sheet of small screens: the send bar or the controls. */
export function sheet() {
  const tools = document.getElementById('tools');
  const openers = [...document.querySelectorAll('[data-sheet]')];
  const show = (name) => {
    if (name) tools.dataset.open = name;
    else delete tools.dataset.open;
    for (const opener of openers) opener.setAttribute('aria-expanded', String(opener.dataset.sheet === name));
  };
  for (const opener of openers) {
    opener.addEventListener('click', () => {
      show(tools.dataset.open === opener.dataset.sheet ? null : opener.dataset.sheet);
      if (tools.dataset.open) tools.querySelector('.sheet-close').focus();
    });
  }
  const close = () => {
    const opener = openers.find((other) => other.dataset.sheet === tools.dataset.open);
    show(null);
    opener?.focus();
  };
  tools.querySelector('.sheet-close').addEventListener('click', close);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && tools.dataset.open) close(); });
}

/**
 * Which lane the keys act on, and which one a small screen shows.
 * @param {import('./lane.js').Lane[]} lanes
 */
export function selection(lanes) {
  const strip = document.getElementById('lanes');
  const minis = [...document.querySelectorAll('[data-mini]')];
  let selected = lanes[0];
  const mark = (lane) => {
    selected = lane;
    for (const other of lanes) other.root.toggleAttribute('data-selected', other === lane);
    for (const mini of minis) mini.setAttribute('aria-pressed', String(mini.dataset.mini === lane.way));
  };
  const choose = (lane) => {
    mark(lane);
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    strip.scrollTo({ left: lane.root.offsetLeft - strip.offsetLeft, behavior: still ? 'auto' : 'smooth' });
  };
  for (const mini of minis) mini.addEventListener('click', () => choose(lanes.find((lane) => lane.way === mini.dataset.mini)));
  for (const lane of lanes) lane.root.addEventListener('pointerdown', () => mark(lane));
  strip.addEventListener('scroll', () => {
    if (strip.scrollWidth <= strip.clientWidth) return;
    const middle = strip.scrollLeft + strip.clientWidth / 2;
    const near = lanes.find((lane) => lane.root.offsetLeft - strip.offsetLeft + lane.root.offsetWidth > middle);
    if (near && near !== selected) mark(near);
  }, { passive: true });
  mark(selected);
  return { choose, get lane() { return selected; } };
}
