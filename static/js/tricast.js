// tricast: one notification feed over WebSocket, Server-Sent Events or long polling.
//
//     import { connect } from '/static/js/tricast.js';
//     const feed = connect({ rooms: ['kitchen'] });              // WebSocket, else SSE, else long polling
//     feed.on('order.created', (event) => console.log(event.id, event.data));
//     feed.watch('gap', (gap) => console.warn('missed', gap.from, 'to', gap.to));
//
// It resumes by cursor over whatever transport works, drops what it has seen, and waits as the server asks. It is not
// a store: what it hands over, it forgets. Start reading at tricast/machine.js.

export { connect, Connection } from './tricast/connection.js';
export { formatCursor, parseCursor } from './tricast/cursor.js';
export { publish } from './tricast/http.js';
export { REASONS } from './tricast/reasons.js';
