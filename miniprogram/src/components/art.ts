// Which drawings stand for a variety: operators can add varieties faster than anyone can draw them.

const DRAWN = ["apple", "mandarin", "pear", "peach"];

export function artOf(variety: string): string {
  return DRAWN.includes(variety) ? variety : "apple";
}
