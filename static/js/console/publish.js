// The form that publishes.

import { api } from './api.js';
import { t } from '../page/words.js';

const part = (name) => document.querySelector(`[data-x="${name}"]`);

/** @param {{namespace: () => string, changed: () => void}} options */
export function publishing({ namespace, changed }) {
  const form = part('publish');
  const say = (text) => { part('publish-said').textContent = text; };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { type, rooms, to, data } = Object.fromEntries(Array.from(new FormData(form), ([name, value]) => [name, String(value).trim()]));
    let parsed;
    try {
      parsed = JSON.parse(data);
    } catch (error) {
      say(t('console.data.bad', { why: error.message }));
      return;
    }
    const named = rooms.split(',').map((room) => room.trim()).filter(Boolean);
    try {
      const { events } = await api.publish(namespace(), {
        ...(type && { type }), ...(named.length > 0 && { rooms: named }), ...(to && { to }), data: parsed,
      });
      say(t('console.published', { id: events[0].id }));
      changed();
    } catch (error) {
      say(t('console.failed', { why: error.message }));
    }
  });
}
