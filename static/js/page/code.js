// The Code tab: how to have this lane in one's own program.

/**
 * @param {'poll' | 'sse' | 'ws'} way
 * @param {string} origin
 * @param {string[]} rooms
 * @returns {{js: string, curl: string, cli: string}}
 */
export function snippets(way, origin, rooms) {
  const list = rooms.join(',');
  const js = `import { connect } from '${origin}/static/js/tricast.js';

const feed = connect({
  transport: '${way}',
  rooms: [${rooms.map((room) => `'${room}'`).join(', ')}],
});
feed.on('*', (event) => console.log(event.id, event.type));
feed.watch('state', ({ state }) => console.log(state));`;
  const address = `${origin}/v1/feeds/default/${way}?rooms=${list}`;
  const curl = {
    poll: `curl '${address}&wait=25'`,
    sse: `curl -N '${address}'`,
    ws: `curl -N --http1.1 '${address.replace(/^http/, 'ws')}'`,
  }[way];
  return { js, curl, cli: `tricast subscribe ${origin} --transport ${way}${rooms.map((room) => ` --room ${room}`).join('')}` };
}

/**
 * The send bar's event as a command.
 * @param {string} origin
 * @param {object} event
 */
export function publishCurl(origin, event) {
  const quoted = JSON.stringify(event).replaceAll("'", String.raw`'\''`);
  return `curl '${origin}/v1/feeds/default/events' \\\n  -H 'Content-Type: application/json' \\\n  -d '${quoted}'`;
}
