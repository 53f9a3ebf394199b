// The few shapes that every drawing is made of, as SVG path text with one decimal.

export interface Point {
  x: number;
  y: number;
}

export interface Disc extends Point {
  r: number;
}

export function n(value: number): string {
  const text = (Math.round(value * 10) / 10).toString();
  return text === "-0" ? "0" : text;
}

/** A leaf from its foot (x, y), of this length, pointing at this angle (0 = right, radians, clockwise); `width` is its half-width. */
export function leaf(x: number, y: number, length: number, angle: number, width = length * 0.36): string {
  const tip = { x: Math.cos(angle) * length, y: Math.sin(angle) * length };
  const side = { x: -Math.sin(angle) * width, y: Math.cos(angle) * width };
  const out = { x: tip.x * 0.45 + side.x, y: tip.y * 0.45 + side.y };
  const back = { x: -tip.x * 0.55 - side.x, y: -tip.y * 0.55 - side.y };
  return `M${n(x)} ${n(y)}q${n(out.x)} ${n(out.y)} ${n(tip.x)} ${n(tip.y)}q${n(back.x)} ${n(back.y)} ${n(-tip.x)} ${n(-tip.y)}`;
}

export function disc({ x, y, r }: Disc): string {
  return `M${n(x - r)} ${n(y)}a${n(r)} ${n(r)} 0 1 0 ${n(2 * r)} 0a${n(r)} ${n(r)} 0 1 0 ${n(-2 * r)} 0`;
}

export function path(d: string, attributes: string): string {
  return `<path d="${d}" ${attributes}/>`;
}

export function inside(point: Point, discs: readonly Disc[], margin = 0): boolean {
  return discs.some((one) => Math.hypot(point.x - one.x, point.y - one.y) < one.r - margin);
}

export function svg(width: number, height: number, body: string, more = ""): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"${more}>${body}</svg>\n`
  );
}
