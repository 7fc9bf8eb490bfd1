// Who is connected, by how much they lag, and the one thing that an operator may do about it.

import { api } from './api.js';
import { blankRow, fillTable, write } from './table.js';
import { bytesText, durationText, number, t } from '../page/words.js';

const SHOWN = 100;
// How long a kick that was pressed once waits to be pressed again.
const SURE_MS = 4000;
const MARKS = { poll: 'M8 1.5 15 14.5H1Z', sse: 'M1.5 1.5h13v13h-13Z', ws: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Z' };
const SVG = 'http://www.w3.org/2000/svg';

const part = (name) => document.querySelector(`[data-x="${name}"]`);

/** @param {'poll' | 'sse' | 'ws'} way */
function mark(way) {
  const shape = document.createElementNS(SVG, 'svg');
  shape.setAttribute('viewBox', '0 0 16 16');
  shape.setAttribute('class', 'mark');
  shape.setAttribute('aria-hidden', 'true');
  shape.append(document.createElementNS(SVG, 'path'));
  shape.firstElementChild.setAttribute('d', MARKS[way]);
  return shape;
}

export class Connections {
  #namespace = '';
  #mayAct;
  #changed;

  /** @param {{mayAct: () => boolean, changed: () => void}} options */
  constructor({ mayAct, changed }) {
    this.#mayAct = mayAct;
    this.#changed = changed;
    const filters = part('filters');
    filters.addEventListener('submit', (event) => event.preventDefault());
    filters.addEventListener('change', changed);
  }

  /** @param {string} namespace */
  async refresh(namespace) {
    if (namespace !== this.#namespace) write(part('kick-said'), '');
    this.#namespace = namespace;
    const filters = part('filters');
    const room = filters.elements.namedItem('room');
    // A room that cannot be one is told by the field itself, and not asked for.
    const choice = { transport: filters.elements.namedItem('transport').value, room: room.checkValidity() ? room.value : '', limit: SHOWN };
    const { count, connections } = await api.connections(namespace, choice);
    const more = count > connections.length ? t('console.first_of', { n: connections.length, of: count }) : number(count);
    write(part('connections-count'), more);
    fillTable(part('connections'), connections, {
      key: (found) => `${found.transport} ${found.member}`,
      make: (found) => this.#row(found),
      fill: (row, found) => this.#fill(row, found),
      none: t('console.connections.none'),
    });
    fillOptions(document.getElementById('members'), connections.map(({ member }) => member));
  }

  #row(found) {
    const row = blankRow(9);
    const way = document.createElement('span');
    way.className = 'way';
    way.dataset.way = found.transport;
    way.append(mark(found.transport), t(`lane.${found.transport}.short`));
    row.cells[0].append(way);
    const name = document.createElement('code');
    name.textContent = found.member;
    row.cells[1].append(name);
    for (const i of [3, 4, 5]) row.cells[i].className = 'number';
    row.cells[7].className = 'clip';
    const kick = document.createElement('button');
    kick.type = 'button';
    kick.textContent = t('console.kick');
    kick.addEventListener('click', () => this.#press(kick, found.member));
    row.cells[8].append(kick);
    return row;
  }

  #fill(row, { state, since, lag, sent, peer, rooms }) {
    const { cells } = row;
    write(cells[2], t(`console.state.${state}`));
    cells[2].dataset.condition = state;
    write(cells[3], durationText(Math.max(0, Date.now() - Date.parse(since))));
    write(cells[4], number(lag));
    write(cells[5], sent === null ? '–' : bytesText(sent));
    write(cells[6], peer ?? '–');
    write(cells[7], rooms.join(', ') || '–');
    cells[7].title = rooms.join(', ');
    row.querySelector('button').disabled = !this.#mayAct();
  }

  // A kick cannot be taken back: it is pressed twice.
  #press(button, member) {
    if (button.dataset.sure === undefined) {
      button.dataset.sure = '';
      button.textContent = t('console.kick.sure');
      setTimeout(() => {
        delete button.dataset.sure;
        button.textContent = t('console.kick');
      }, SURE_MS);
      return;
    }
    this.#kick(member);
  }

  async #kick(member) {
    try {
      await api.kick(this.#namespace, member);
      write(part('kick-said'), t('console.kicked', { member }));
    } catch (error) {
      write(part('kick-said'), t('console.failed', { why: error.message }));
    }
    this.#changed();
  }
}

/** @param {Element} list @param {readonly string[]} names */
export function fillOptions(list, names) {
  if (names.length === list.children.length && names.every((name, i) => /** @type {HTMLOptionElement} */ (list.children[i]).value === name)) return;
  list.replaceChildren(...names.map((name) => new Option(name, name)));
}
