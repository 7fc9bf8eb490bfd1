// The SharedWorker: one for all tabs of an origin. It lives as long as one of them does.

import { Switchboard } from './switchboard.js';

const switchboard = new Switchboard({ locks: globalThis.navigator?.locks });
/** @type {any} */ (globalThis).onconnect = ({ ports }) => switchboard.call(ports[0]);
