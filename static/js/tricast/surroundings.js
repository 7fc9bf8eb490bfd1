// What happens round the connection: the network goes and comes, the page is hidden, frozen, put away and shown again.

/**
 * @param {object} act
 * @param {() => void} act.check     time may have passed unseen
 * @param {() => void} act.online
 * @param {() => void} act.offline
 * @param {() => void} [act.hide]    the page is put away, and may come back
 * @param {() => void} [act.show]    it came back
 * @returns {() => void} stops it
 */
export function watchSurroundings({ check, online, offline, hide = () => {}, show = () => {} }) {
  const stops = [];
  const on = (target, name, act) => {
    if (!target?.addEventListener) return;
    target.addEventListener(name, act);
    stops.push(() => target.removeEventListener(name, act));
  };
  const { document } = globalThis;
  on(globalThis, 'online', online);
  on(globalThis, 'offline', offline);
  on(globalThis, 'pagehide', hide);
  on(globalThis, 'pageshow', (event) => {
    if (event.persisted) show();
    check();
  });
  on(document, 'visibilitychange', () => { if (document.visibilityState === 'visible') check(); });
  on(document, 'resume', check);
  return () => { for (const stop of stops) stop(); };
}
