// The console: asks the server every two seconds what it holds and whom it serves, and shows that.

import { api, hasToken, Refused, useToken } from './api.js';
import { Connections, fillOptions } from './connections.js';
import { History } from './history.js';
import { publishing } from './publish.js';
import { blankRow, fillTable, write } from './table.js';
import { languages, themes } from '../page/shell.js';
import { bytesText, durationText, loadWords, number, t } from '../page/words.js';

const EVERY_MS = 2000;
const ROOMS_SHOWN = 100;
const UNAUTHORIZED = 401;
const WAYS = ['poll', 'sse', 'ws'];

const part = (name) => document.querySelector(`[data-x="${name}"]`);

let namespace = new URLSearchParams(location.search).get('namespace') ?? 'default';
let connections;
let history;
let asked = 0;
let underWay = 0;

const mayAct = () => !part('read-only').checked;

function showNodes(nodes) {
  fillTable(part('nodes'), nodes, {
    key: (node) => node.version,
    make: () => blankRow(8),
    fill: (row, node) => {
      const words = [
        node.version, durationText(node.uptime_secs * 1000), number(node.workers),
        t('console.of', { n: node.connections, of: node.connections_max }), number(node.sessions), number(node.subscribers),
        number(node.deliveries), t(node.draining ? 'console.draining' : 'console.serving'),
      ];
      words.forEach((text, i) => write(row.cells[i], text));
      row.cells[7].dataset.condition = node.draining ? 'draining' : 'serving';
    },
    none: '–',
  });
}

function showNamespaces(namespaces) {
  fillTable(part('namespaces'), namespaces, {
    key: (seen) => seen.namespace,
    make: (seen) => {
      const row = blankRow(4 + WAYS.length);
      const choose = document.createElement('button');
      choose.type = 'button';
      choose.className = 'link';
      choose.textContent = seen.namespace;
      choose.addEventListener('click', () => {
        namespace = seen.namespace;
        const url = new URL(location.href);
        url.searchParams.set('namespace', namespace);
        window.history.replaceState(null, '', url);
        languages();
        refresh();
      });
      row.cells[0].append(choose);
      return row;
    },
    fill: (row, seen) => {
      row.setAttribute('aria-selected', String(seen.namespace === namespace));
      const words = [seen.cursor, number(seen.events), bytesText(seen.bytes), ...WAYS.map((way) => number(seen.subscribers[way]))];
      words.forEach((text, i) => write(row.cells[i + 1], text));
    },
    none: '–',
  });
}

async function showRooms() {
  const { count, rooms } = await api.rooms(namespace, ROOMS_SHOWN);
  write(part('rooms-count'), count > rooms.length ? t('console.first_of', { n: rooms.length, of: count }) : number(count));
  fillTable(part('rooms'), rooms, {
    key: ({ room }) => room,
    make: () => blankRow(2),
    fill: (row, { room, connections: inside }) => {
      write(row.cells[0], room);
      write(row.cells[1], number(inside));
    },
    none: t('console.rooms.none'),
  });
  fillOptions(document.getElementById('rooms'), rooms.map(({ room }) => room));
}

function pulse(live) {
  document.querySelector('.pulse').dataset.live = live ? 'all' : 'none';
  write(part('live'), t(live ? 'live.all' : 'live.none'));
}

/** One look at everything. A newer one that was begun meanwhile is the one that counts. */
async function refresh() {
  asked += 1;
  underWay += 1;
  const mine = asked;
  try {
    const state = await api.state();
    if (mine !== asked) return;
    const seen = state.namespaces.find((each) => each.namespace === namespace) ?? state.namespaces[0];
    namespace = seen.namespace;
    write(part('namespace'), namespace);
    part('all').hidden = false;
    part('token').hidden = true;
    showNodes(state.nodes);
    showNamespaces(state.namespaces);
    await Promise.all([connections.refresh(namespace), showRooms(), history.refresh(seen)]);
    part('fault').hidden = true;
    pulse(true);
  } catch (error) {
    if (mine === asked) showFault(error);
  }
  underWay -= 1;
  document.documentElement.dataset.ready = 'true';
}

function showFault(error) {
  const asks = error instanceof Refused && error.status === UNAUTHORIZED;
  part('token').hidden = !asks;
  part('fault').hidden = asks;
  if (asks) {
    part('all').hidden = true;
    write(part('token-said'), hasToken() ? t('console.token.wrong') : '');
  } else {
    write(part('fault'), error instanceof Refused ? t('console.failed', { why: error.message }) : t('console.away'));
  }
  pulse(asks || error instanceof Refused);
}

function forms() {
  part('token').addEventListener('submit', (event) => {
    event.preventDefault();
    const field = part('token').elements.namedItem('token');
    useToken(field.value.trim());
    field.value = '';
    refresh();
  });
  const lock = () => {
    part('publish').querySelector('button').disabled = !mayAct();
    for (const button of part('connections').querySelectorAll('button')) button.disabled = !mayAct();
  };
  part('read-only').addEventListener('change', lock);
  lock();
}

async function start() {
  await loadWords();
  themes();
  languages();
  connections = new Connections({ mayAct, changed: refresh });
  history = new History();
  publishing({ namespace: () => namespace, changed: refresh });
  forms();
  await refresh();
  // A hidden tab asks nobody, and a server that takes long is not asked again meanwhile.
  setInterval(() => { if (!document.hidden && part('token').hidden && underWay === 0) refresh(); }, EVERY_MS);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
}

start();
