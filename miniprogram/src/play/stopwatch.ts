// How long a choice took: from both pictures visible to the tap, without the time that the app was out of sight.

const LONGEST_MS = 600_000;

export class Stopwatch {
  private visible = new Set<string>();
  private startedAt: number | null = null;
  private counted = 0;
  private hidden = false;

  constructor(private readonly ticks: () => number) {}

  /** A new pair: nothing of it is visible yet. */
  reset(): void {
    this.visible.clear();
    this.startedAt = null;
    this.counted = 0;
  }

  /** One side's picture is on the screen. */
  saw(side: "left" | "right"): void {
    this.visible.add(side);
    if (this.visible.size === 2 && this.startedAt === null && !this.hidden) this.startedAt = this.ticks();
  }

  get running(): boolean {
    return this.startedAt !== null;
  }

  pause(): void {
    this.hidden = true;
    if (this.startedAt === null) return;
    this.counted += this.ticks() - this.startedAt;
    this.startedAt = null;
  }

  resume(): void {
    this.hidden = false;
    if (this.visible.size === 2 && this.startedAt === null) this.startedAt = this.ticks();
  }

  /** Whole milliseconds so far. */
  took_ms(): number {
    const running = this.startedAt === null ? 0 : this.ticks() - this.startedAt;
    return Math.min(LONGEST_MS, Math.max(0, Math.round(this.counted + running)));
  }
}
