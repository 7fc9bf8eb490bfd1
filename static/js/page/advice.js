// The adviser's sliders: a case is asked of the server, which answers from measured rows.

import { api } from './api.js';
import { bytesText, number, t } from './words.js';

const SETTLE_MS = 200;
/** Sliders by their places: each step is about the same factor. */
const STEPS = {
  clients: [10, 30, 100, 300, 1000, 3000, 10_000, 20_000, 50_000, 100_000, 300_000, 1_000_000],
  rate: [1 / 3600, 1 / 600, 1 / 60, 0.1, 0.2, 0.5, 1, 2, 5, 10, 50, 100, 500],
  payload: [20, 100, 300, 1000, 3000, 10_000, 30_000, 60_000],
};
const words = {
  clients: (value) => number(value),
  rate: (value) => (value < 0.1 ? t('advice.every', { time: value * 60 < 0.9 ? `${number(1 / value / 60)} min` : `${number(1 / value)} s` }) : `${number(value, value < 1 ? 1 : 0)}/s`),
  payload: bytesText,
};

export function adviser() {
  const part = (name) => document.querySelector(`[data-x="advice-${name}"]`);
  const sliders = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('[data-advice]')]);
  const choices = /** @type {HTMLSelectElement[]} */ ([...document.querySelectorAll('[data-advice-choice]')]);
  const value = (slider) => STEPS[slider.dataset.advice][Number(slider.value)];
  let timer;
  let asked = 0;

  async function ask() {
    asked += 1;
    const mine = asked;
    const question = Object.fromEntries([
      ...sliders.map((slider) => [slider.dataset.advice, value(slider)]),
      ...choices.map((choice) => [choice.dataset.adviceChoice, choice.value]),
    ]);
    const answer = await api.advice(question, document.documentElement.lang).catch(() => null);
    // An answer to an older question is no answer to this one.
    if (mine === asked) show(answer);
  }

  function show(answer) {
    part('said').textContent = answer ? answer.recommendation : t('advice.failed');
    part('basis').textContent = answer?.basis ?? '';
    part('options').replaceChildren(...(answer?.options ?? []).map((option) => {
      const item = element('li', '');
      item.dataset.recommended = String(option.recommended);
      item.append(element('b', option.name), element('span', option.cost), ...option.against.map((why) => element('small', why)));
      return item;
    }));
    part('rows').replaceChildren(...(answer?.rows ?? []).map((row) => {
      const line = document.createElement('tr');
      line.append(...[row.transport, row.name, row.place, row.value, row.interval].map((text) => element('td', text)));
      return line;
    }));
    part('assumptions').replaceChildren(...(answer?.assumptions ?? []).map((text) => element('li', text)));
  }

  function tell(slider) {
    const text = words[slider.dataset.advice](value(slider));
    part(slider.dataset.advice).textContent = text;
    slider.setAttribute('aria-valuetext', text);
  }

  for (const input of [...sliders, ...choices]) {
    input.addEventListener('input', () => {
      if (input.dataset.advice) tell(input);
      clearTimeout(timer);
      timer = setTimeout(ask, SETTLE_MS);
    });
  }
  sliders.forEach(tell);
  ask();
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
