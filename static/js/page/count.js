// The loss of a reader without cursors, from the numbers that the source gave its events.

/** Counts what came and what was jumped over. Pure. */
export class Count {
  received = 0;
  lost = 0;
  doubled = 0;
  restarts = 0;
  at = 0;

  /** @param {number} n  the source's own number of the event */
  event(n) {
    if (!(n > 0)) return;
    if (this.at > 0) {
      if (n > this.at + 1) this.lost += n - this.at - 1;
      // A source that begins again numbers from 1; how much of the old numbering is gone, nobody can know.
      else if (n < this.at && n <= 50) this.restarts += 1;
      else if (n <= this.at) { this.doubled += 1; return; }
    }
    this.received += 1;
    this.at = n;
  }
}
