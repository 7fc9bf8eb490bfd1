// Whom an event of the send bar is for. Pure.

/**
 * @typedef {{room?: string, to?: string, except?: string}} Addressed
 * @typedef {{rooms: readonly string[], member?: string | null}} Receiver
 */

/**
 * @param {Addressed} addressed
 * @param {Receiver} receiver
 */
export function isFor({ room, to, except }, { rooms, member }) {
  if (to !== undefined) return to === member;
  if (except !== undefined && except === member) return false;
  return room === undefined || rooms.includes(room);
}

/** Why it is not for somebody: the end of a text's name. @param {Addressed} addressed */
export const whyNot = ({ to, except }) => (to !== undefined ? 'not_named' : except !== undefined ? 'left_out' : 'no');
