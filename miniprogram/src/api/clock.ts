// The service's time: a phone may be a day off, and only the service decides what has expired.

export class ServiceClock {
  private offset_ms: number | null = null;

  constructor(private readonly phone: () => number = Date.now) {}

  /** Take the `Date` header of an answer. Good to a second or so, which is all that expiry needs. */
  note(date: string | undefined): void {
    const at = date ? Date.parse(date) : NaN;
    if (!Number.isNaN(at)) this.offset_ms = at - this.phone();
  }

  /** Milliseconds since 1970 as the service counts them, or null before it was ever heard of. */
  now_ms(): number | null {
    return this.offset_ms === null ? null : this.phone() + this.offset_ms;
  }

  /** Whether this time has passed, with `margin_ms` to spare. What cannot be known has not passed. */
  isOver(time: string, margin_ms = 0): boolean {
    const at = Date.parse(time);
    const now = this.now_ms();
    return now !== null && !Number.isNaN(at) && now > at - margin_ms;
  }
}
