// Figures as people read them: grams in whole numbers with a space between thousands, shares in whole per cent.

/** 12345 -> "12 345"; the space does not break a line. */
export function grams(value: number): string {
  const sign = value < 0 ? "−" : "";
  return sign + Math.abs(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u00a0");
}

/** 734 -> "73%": a share of people, never of progress (progress is told in grams). */
export function percentOfPermille(permille: number): string {
  return `${Math.round(permille / 10)}%`;
}

/** "2026-11-22" or a moment of that day -> "11-22". */
export function day(at: string | null): string {
  return at ? at.slice(5, 10) : "";
}

/** "2026-11-22T03:04:05Z" -> "11-22 11:04" in the phone's own time. */
export function moment(at: string | null): string {
  if (!at) return "";
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  const two = (value: number) => value.toString().padStart(2, "0");
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
