// What stands around the tree: the orchard by day and by night, the watering can, the box of fruit, the empty hanger.

import { fruit, fruitPaint, type VarietyArt } from "./fruit";
import { Dice } from "./random";
import { leaf, path, svg } from "./shapes";

interface Light {
  sky: readonly [string, string, string];
  far: string;
  middle: string;
  near: readonly [string, string];
  shrub: string;
  cloud: string;
}

const LIGHT: Record<"light" | "dark", Light> = {
  light: { sky: ["#cfe6e4", "#e6f0e4", "#fbf3e2"], far: "#c9dfc9", middle: "#b3d3ad", near: ["#a5cc94", "#8dbd80"], shrub: "#9cc492", cloud: "#ffffff" },
  dark: { sky: ["#0f1a22", "#16242a", "#1d2d2d"], far: "#1d302e", middle: "#213832", near: ["#284438", "#1d332b"], shrub: "#2a4638", cloud: "#2b3d44" },
};

/** The orchard behind the tree, 414 x 560; it may be cut at the sides and at the top. */
export function scene(mode: "light" | "dark"): string {
  const c = LIGHT[mode];
  const dice = new Dice(5);
  const cloud = (x: number, y: number, scale: number, opacity: number) =>
    `<path transform="translate(${x} ${y}) scale(${scale})" d="M-46 14C-62 14-62-6-46-8-44-24-20-28-12-16-4-30 24-28 28-12 44-16 56 0 46 14z" fill="${c.cloud}" opacity="${opacity}"/>`;
  const row = (y: number, count: number, size: number, opacity: number) => {
    const shrubs: string[] = [];
    for (let i = 0; i < count; i++) {
      const x = (i + 0.5) * (414 / count) + dice.between(-8, 8);
      const r = size * dice.between(0.8, 1.2);
      shrubs.push(`M${x - r} ${y}a${r} ${r * 1.05} 0 0 1 ${2 * r} 0z`.replace(/(\.\d)\d+/g, "$1"));
    }
    return path(shrubs.join(""), `fill="${c.shrub}" opacity="${opacity}"`);
  };
  const blades: string[] = [];
  for (let i = 0; i < 40; i++) blades.push(leaf(dice.between(0, 414), dice.between(452, 552), dice.between(7, 12), -Math.PI / 2 + dice.between(-0.5, 0.5), 1.6));
  const heaven =
    mode === "light"
      ? `<circle cx="330" cy="86" r="84" fill="url(#glow)"/><circle cx="330" cy="86" r="30" fill="#ffe3a6"/>`
      : `<circle cx="330" cy="86" r="70" fill="url(#glow)"/><path d="M334 62A27 27 0 1 0 356 100 22 22 0 0 1 334 62z" fill="#f3e7c0"/>` +
        `<g fill="#e8efe2">${Array.from({ length: 26 }, () => `<circle cx="${dice.between(8, 406).toFixed(0)}" cy="${dice.between(8, 230).toFixed(0)}" r="${dice.between(0.5, 1.4).toFixed(1)}" opacity="${dice.between(0.3, 0.9).toFixed(1)}"/>`).join("")}</g>`;
  return svg(
    414,
    560,
    `<defs><linearGradient id="sky" x2="0" y2="1"><stop offset="0" stop-color="${c.sky[0]}"/><stop offset=".6" stop-color="${c.sky[1]}"/><stop offset="1" stop-color="${c.sky[2]}"/></linearGradient>` +
      `<linearGradient id="near" x2="0" y2="1"><stop offset="0" stop-color="${c.near[0]}"/><stop offset="1" stop-color="${c.near[1]}"/></linearGradient>` +
      `<radialGradient id="glow"><stop offset="0" stop-color="${mode === "light" ? "#fff0c9" : "#f3e7c0"}" stop-opacity="${mode === "light" ? ".95" : ".22"}"/><stop offset="1" stop-color="#fff0c9" stop-opacity="0"/></radialGradient></defs>` +
      `<path d="M0 0h414v560H0z" fill="url(#sky)"/>${heaven}` +
      cloud(92, 108, 1, 0.85) + cloud(238, 168, 0.62, 0.6) + cloud(30, 206, 0.5, 0.5) +
      `<path d="M0 352C70 306 128 318 196 338 262 300 344 296 414 332V560H0z" fill="${c.far}"/>` +
      row(352, 17, 9, 0.55) +
      `<path d="M0 392C86 352 170 362 234 380 300 358 362 360 414 376V560H0z" fill="${c.middle}"/>` +
      row(394, 11, 15, 0.75) +
      `<path d="M0 440C96 398 320 396 414 436V560H0z" fill="url(#near)"/>` +
      path(blades.join(""), `fill="${mode === "light" ? "#6fa765" : "#35563f"}" opacity=".45"`),
    ' preserveAspectRatio="xMidYMax slice"',
  );
}

export function can(): string {
  return svg(
    96,
    80,
    `<defs><linearGradient id="tin" x2="1" y2="1"><stop offset="0" stop-color="#8fc4bd"/><stop offset="1" stop-color="#4d8d87"/></linearGradient></defs>` +
      `<path d="M62 30C80 18 92 34 84 48 80 56 70 60 62 60" fill="none" stroke="#3f7a75" stroke-width="6" stroke-linecap="round"/>` +
      `<path d="M32 50L12 28" stroke="#4d8d87" stroke-width="9" stroke-linecap="round"/><path d="M2 30L18 16 22 20 6 35z" fill="#3f7a75"/>` +
      `<path d="M28 26H66L70 66C70 72 64 74 48 74S24 72 25 66z" fill="url(#tin)"/><ellipse cx="47" cy="26" rx="19" ry="5.5" fill="#35706b"/><ellipse cx="47" cy="25" rx="15" ry="3.5" fill="#7a5640"/>` +
      `<path d="M32 36L31 62" stroke="#d5eeea" stroke-width="4" stroke-linecap="round" opacity=".6"/><path d="${leaf(48, 62, 20, -1.15, 7)}" fill="#d9eed2"/>`,
  );
}

/** A crate of ripe fruit, 160 x 130. */
export function box(variety: VarietyArt): string {
  const fruits = [
    [40, 52, -14], [66, 46, 6], [94, 47, -5], [120, 53, 12], [52, 32, 8], [80, 26, -4], [107, 33, 10],
  ]
    .map(([x, y, turn]) => `<use xlink:href="#f" transform="translate(${x} ${y}) rotate(${turn}) scale(.98)"/>`)
    .reverse()
    .join("");
  return svg(
    160,
    130,
    `<defs>${fruitPaint(variety)}${fruit("f", variety, true)}<linearGradient id="wood" x2="0" y2="1"><stop offset="0" stop-color="#e6bd82"/><stop offset="1" stop-color="#cf9c5c"/></linearGradient></defs>` +
      `<ellipse cx="80" cy="120" rx="70" ry="7" fill="#1d3323" opacity=".13"/>${fruits}` +
      `<path d="M14 58H146V78H14zM17 82H143V100H17zM20 104H140V118H20z" fill="url(#wood)"/><path d="M24 54H36V120H24zM124 54H136V120H124z" fill="#b98447"/>` +
      `<path d="M14 58H146" stroke="#f4d6a6" stroke-width="2.5"/><g fill="#8a5d2e"><circle cx="30" cy="68" r="1.8"/><circle cx="130" cy="68" r="1.8"/><circle cx="30" cy="91" r="1.8"/><circle cx="130" cy="91" r="1.8"/></g>` +
      `<rect x="58" y="72" width="44" height="32" rx="6" fill="#fff8ea"/><path d="${leaf(74, 97, 22, -1.1, 8)}" fill="#6fae62"/><path d="${leaf(76, 97, 18, -0.35, 6)}" fill="#93c878"/>`,
  );
}

/** An empty hanger with a leaf: nothing to choose from just now. */
export function hanger(): string {
  return svg(
    160,
    120,
    `<ellipse cx="80" cy="108" rx="52" ry="6" fill="#1d3323" opacity=".1"/>` +
      `<path d="M80 40C80 32 90 32 90 24 90 14 76 12 72 22" fill="none" stroke="#b08a66" stroke-width="5" stroke-linecap="round"/>` +
      `<path d="M80 40L138 78C146 84 142 92 133 92H27C18 92 14 84 22 78z" fill="none" stroke="#c79a6c" stroke-width="8" stroke-linejoin="round"/>` +
      `<path d="${leaf(112, 60, 30, -0.9, 10)}" fill="#82b96d"/><path d="${leaf(113, 61, 24, -0.15, 8)}" fill="#5c9a5e"/>`,
  );
}
