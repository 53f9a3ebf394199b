// The fruit of each variety, ripe and unripe, and its blossom: one unit is about the radius of a ripe fruit at (0, 0).

import { leaf, svg } from "./shapes";

export type VarietyArt = "apple" | "mandarin" | "pear" | "peach";
export const VARIETIES: readonly VarietyArt[] = ["apple", "mandarin", "pear", "peach"];

interface Colours {
  light: string;
  body: string;
  dark: string;
  young: readonly [string, string, string];
  petal: string;
  petalEdge: string;
}

export const COLOURS: Record<VarietyArt, Colours> = {
  apple: { light: "#ff9a76", body: "#e2533c", dark: "#b23427", young: ["#e6e9a0", "#b9cf74", "#8fae57"], petal: "#fff4f3", petalEdge: "#f7c9cd" },
  mandarin: { light: "#ffd27a", body: "#f59a2c", dark: "#d3761a", young: ["#d9e39a", "#a9c56b", "#7fa350"], petal: "#fffdf4", petalEdge: "#f3e7c2" },
  pear: { light: "#f8f0b4", body: "#e3d377", dark: "#b9a94c", young: ["#dfe9a6", "#b5cd78", "#8dac5a"], petal: "#fdfff8", petalEdge: "#dfe9d2" },
  peach: { light: "#ffd9bd", body: "#f79a86", dark: "#d96d6a", young: ["#e9eda8", "#c4d480", "#9ab465"], petal: "#ffe6ee", petalEdge: "#f5a9c1" },
};

const BODIES: Record<VarietyArt, string> = {
  apple: "M0-8C4-12 15-12 16-1 17 9 9 16 4 15.5 1.5 15.2-1.5 15.2-4 15.5-9 16-17 9-16-1-15-12-4-12 0-8z",
  mandarin: "M0-10C10-11.5 17-5.5 17 2 17 10 9.5 14.5 0 14.5S-17 10-17 2C-17-5.5-10-11.5 0-10z",
  pear: "M0-15C6-15 6.5-9 8-4.5 10-.5 15 2.5 15 8.5 15 15 8.5 18 0 18S-15 15-15 8.5C-15 2.5-10-.5-8-4.5-6.5-9-6-15 0-15z",
  peach: "M0-11C8-15 17-9 17 1 17 10 8 15 0 17-8 15-17 10-17 1-17-9-8-15 0-11z",
};

/** The gradients that `fruit` needs, once per drawing. */
export function fruitPaint(variety: VarietyArt): string {
  const { light, body, dark, young } = COLOURS[variety];
  const radial = (id: string, stops: readonly [string, string, string]) =>
    `<radialGradient id="${id}" cx=".35" cy=".3" r=".85"><stop offset="0" stop-color="${stops[0]}"/>` +
    `<stop offset=".5" stop-color="${stops[1]}"/><stop offset="1" stop-color="${stops[2]}"/></radialGradient>`;
  return radial("ripe", [light, body, dark]) + radial("young", young);
}

/** The symbol of one fruit, stem up, about 34 wide. */
export function fruit(id: string, variety: VarietyArt, ripe: boolean): string {
  const top = variety === "pear" ? -15 : variety === "mandarin" ? -10 : -8;
  const marks =
    variety === "mandarin"
      ? `<g fill="#fff" opacity=".22"><circle cx="-7" cy="6" r="1"/><circle cx="-2" cy="9" r="1"/><circle cx="5" cy="8" r="1"/><circle cx="9" cy="3" r="1"/><circle cx="2" cy="4" r="1"/></g>`
      : variety === "pear"
        ? `<g fill="#9c8b3c" opacity=".35"><circle cx="-5" cy="9" r=".9"/><circle cx="3" cy="12" r=".9"/><circle cx="7" cy="7" r=".9"/><circle cx="-1" cy="4" r=".8"/></g>`
        : variety === "peach"
          ? `<path d="M1-10C6-3 6 8 1 16" fill="none" stroke="#c9545c" stroke-width="1.3" stroke-linecap="round" opacity=".45"/>`
          : "";
  return (
    `<g id="${id}"><path d="M0 ${top + 2}C0 ${top - 3} 1 ${top - 6} 3 ${top - 8}" fill="none" stroke="#6f4a35" stroke-width="2" stroke-linecap="round"/>` +
    `<path d="${leaf(2, top - 4, 12, -0.35, 4.4)}" fill="#6fae62"/>` +
    `<path d="${BODIES[variety]}" fill="url(#${ripe ? "ripe" : "young"})"/>${marks}` +
    `<ellipse cx="-6.5" cy="${variety === "pear" ? 4 : -2}" rx="3" ry="4.6" fill="#fff" opacity="${ripe ? ".5" : ".35"}" transform="rotate(24 -6 -2)"/></g>`
  );
}

/** The symbol of one five-petalled blossom, about 20 wide. */
export function blossom(id: string, variety: VarietyArt): string {
  const { petal, petalEdge } = COLOURS[variety];
  const petals = [0, 72, 144, 216, 288]
    .map((turn) => `<ellipse cx="0" cy="-5.4" rx="4" ry="5" transform="rotate(${turn})"/>`)
    .join("");
  return (
    `<g id="${id}"><g fill="${petal}" stroke="${petalEdge}" stroke-width=".9">${petals}</g>` +
    `<circle r="2.6" fill="#f3c64e"/><g fill="#d99a2b"><circle cx="-1" cy="-1.2" r=".7"/><circle cx="1.2" cy="0" r=".7"/><circle cx="-.4" cy="1.3" r=".7"/></g></g>`
  );
}

/** One ripe fruit as a drawing of its own. */
export function fruitAlone(variety: VarietyArt): string {
  return svg(48, 48, `<defs>${fruitPaint(variety)}${fruit("f", variety, true)}</defs><use xlink:href="#f" transform="translate(24 26) scale(${variety === "pear" ? 0.95 : 1.15})"/>`);
}
