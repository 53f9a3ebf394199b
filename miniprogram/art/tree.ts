// The tree in its six stages: the mound it stands on, trunk, crown in four layers of light, blossom and fruit.

import { blossom, fruit, fruitPaint, type VarietyArt } from "./fruit";
import { Dice } from "./random";
import { disc, inside, leaf, n, path, svg, type Disc, type Point } from "./shapes";

const WIDTH = 400;
const HEIGHT = 420;
const GROUND = 366;

// From the shaded back of the crown to its sunlit front.
const GREENS = ["#437e55", "#5c9a5e", "#82b96d", "#abd386"] as const;

const PAINT =
  `<linearGradient id="bark" x2="1"><stop offset="0" stop-color="#a47a58"/><stop offset=".45" stop-color="#8b6246"/><stop offset="1" stop-color="#674732"/></linearGradient>` +
  `<linearGradient id="grass" x2="0" y2="1"><stop offset="0" stop-color="#a3cf86"/><stop offset="1" stop-color="#6fa765"/></linearGradient>` +
  `<linearGradient id="soil" x2="0" y2="1"><stop offset="0" stop-color="#a97f5f"/><stop offset="1" stop-color="#7a5640"/></linearGradient>` +
  `<linearGradient id="stem" x2="1"><stop offset="0" stop-color="#9fce7e"/><stop offset="1" stop-color="#6aa45f"/></linearGradient>` +
  `<radialGradient id="shade"><stop offset="0" stop-color="#1d3323" stop-opacity=".34"/><stop offset="1" stop-color="#1d3323" stop-opacity="0"/></radialGradient>`;

function ground(dice: Dice, soilWidth: number): string {
  const tufts: string[] = [];
  for (let i = 0; i < 26; i++) {
    const x = dice.between(70, 330);
    const y = GROUND + 6 + dice.between(0, 30) - Math.abs(x - 200) * 0.02;
    for (const lean of [-0.5, -0.1, 0.35]) tufts.push(leaf(x, y, dice.between(7, 13), -Math.PI / 2 + lean, 1.6));
  }
  const flowers = [
    [92, 384], [121, 398], [283, 396], [311, 382], [252, 404],
  ]
    .map(([x, y], i) => `<g transform="translate(${x} ${y})"><g fill="${i % 2 ? "#fff7e4" : "#ffe9ef"}"><circle cx="-2.6" r="2.3"/><circle cx="2.6" r="2.3"/><circle cy="-2.6" r="2.3"/><circle cy="2.6" r="2.3"/></g><circle r="1.7" fill="#f0bd47"/></g>`)
    .join("");
  return (
    `<path d="M22 396C38 370 116 353 200 353S362 370 378 396C392 420 8 420 22 396z" fill="url(#grass)"/>` +
    `<path d="M30 392C48 374 90 362 140 357 100 368 62 380 44 398 36 404 24 400 30 392z" fill="#fff" opacity=".2"/>` +
    path(tufts.join(""), `fill="#5f9a5b" opacity=".75"`) +
    flowers +
    `<ellipse cx="200" cy="${GROUND + 4}" rx="${soilWidth * 1.5}" ry="15" fill="url(#shade)"/>` +
    `<path d="M${200 - soilWidth} ${GROUND + 6}C${200 - soilWidth * 0.7} ${GROUND - 14} ${200 + soilWidth * 0.7} ${GROUND - 14} ${200 + soilWidth} ${GROUND + 6}C${200 + soilWidth * 0.6} ${GROUND + 14} ${200 - soilWidth * 0.6} ${GROUND + 14} ${200 - soilWidth} ${GROUND + 6}z" fill="url(#soil)"/>` +
    `<path d="M${200 - soilWidth * 0.72} ${GROUND - 1}Q200 ${GROUND - 15} ${200 + soilWidth * 0.5} ${GROUND - 5}" stroke="#c39b7a" stroke-width="3" stroke-linecap="round" fill="none" opacity=".55"/>`
  );
}

/** A crown of leaves over these discs: four layers, each smaller, lighter and nearer to the light than the one behind. */
function crown(discs: readonly Disc[], dice: Dice, leafLength: number): { back: string; front: string } {
  const light = { x: -0.55, y: -0.84 };
  const layers = GREENS.map((colour, depth) => {
    const shrink = 1 - depth * 0.17;
    const lift = depth * 0.17;
    const blobs = discs.map((one) => ({
      x: one.x + light.x * one.r * lift,
      y: one.y + light.y * one.r * lift,
      r: one.r * shrink,
    }));
    const text: string[] = [];
    for (const blob of blobs) {
      // the lit layers are no discs but patches of leaves, or the crown would look like a heap of balls
      if (depth < 2) text.push(disc(blob));
      const count = Math.round([0.34, 0.4, 0.62, 0.26][depth]! * blob.r);
      for (let i = 0; i < count; i++) {
        // lit leaves sit on the lit side
        const angle = depth < 2 ? dice.between(0, 2 * Math.PI) : dice.between(-Math.PI * 1.12, Math.PI * 0.16);
        const reach = blob.r * (depth < 2 ? dice.between(0.82, 1) : Math.sqrt(dice.next()) * 0.98);
        const x = blob.x + Math.cos(angle) * reach;
        const y = blob.y + Math.sin(angle) * reach;
        const turn = depth < 2 ? angle + dice.between(-0.75, 0.75) : dice.between(0.15, 1.15) + (dice.next() < 0.5 ? 0 : 1.3);
        text.push(leaf(x, y, leafLength * dice.between(0.75, 1.15), turn));
      }
    }
    return path(text.join(""), `fill="${colour}"`);
  });
  return { back: layers[0] ?? "", front: layers.slice(1).join("") };
}

function trunk(top: number, foot: number): string {
  const base = GROUND + 2;
  const spread = foot * 1.9;
  return (
    `<path d="M${n(200 - spread)} ${base}C${n(200 - foot)} ${base - 10} ${n(200 - foot * 0.8)} ${base - 42} ${n(200 - foot * 0.62)} ${top}L${n(200 + foot * 0.62)} ${top}C${n(200 + foot * 0.85)} ${base - 42} ${n(200 + foot)} ${base - 10} ${n(200 + spread)} ${base}C${n(200 + foot * 0.7)} ${base - 3} ${n(200 - foot * 0.5)} ${base - 1} ${n(200 - spread)} ${base}z" fill="url(#bark)"/>` +
    `<g fill="none" stroke="#5a3d2b" stroke-linecap="round" opacity=".38"><path d="M${n(200 + foot * 0.1)} ${base - 16}C${n(200 + foot * 0.3)} ${base - 44} ${n(200 - foot * 0.1)} ${base - 66} ${n(200 + foot * 0.15)} ${base - 88}" stroke-width="2"/><path d="M${n(200 - foot * 0.4)} ${base - 34}q3-18-1-34" stroke-width="1.6"/></g>` +
    `<path d="M${n(200 - foot * 0.72)} ${base - 20}C${n(200 - foot * 0.66)} ${base - 50} ${n(200 - foot * 0.5)} ${base - 70} ${n(200 - foot * 0.44)} ${top + 10}" fill="none" stroke="#c79a74" stroke-width="3" stroke-linecap="round" opacity=".55"/>`
  );
}

function branches(reach: number, top: number): string {
  const strokes: [string, number][] = [
    [`M197 ${top + 22}C186 ${top - 6} 160 ${top - 22} ${200 - reach} ${top - 40}`, 13],
    [`M203 ${top + 18}C214 ${top - 10} 238 ${top - 26} ${200 + reach * 0.95} ${top - 46}`, 12],
    [`M200 ${top + 24}C198 ${top - 20} 206 ${top - 50} 200 ${top - 88}`, 14],
  ];
  return strokes
    .map(([d, width]) => `<path d="${d}" fill="none" stroke="#7c573f" stroke-width="${width}" stroke-linecap="round"/>`)
    .join("");
}

/** `count` places inside the crown, none nearer to another than `apart`. */
function places(discs: readonly Disc[], count: number, apart: number, margin: number, dice: Dice, below = -1000): Point[] {
  const found: Point[] = [];
  for (let tries = 0; tries < 6000 && found.length < count; tries++) {
    const point = { x: dice.between(60, 340), y: dice.between(40, 330) };
    if (point.y < below || !inside(point, discs, margin)) continue;
    if (found.some((other) => Math.hypot(other.x - point.x, other.y - point.y) < apart)) continue;
    found.push(point);
  }
  return found.sort((a, b) => a.y - b.y);
}

function use(id: string, at: Point, scale: number, turn: number): string {
  return `<use xlink:href="#${id}" transform="translate(${n(at.x)} ${n(at.y)}) rotate(${n(turn)}) scale(${n(scale * 100) === "100" ? "1" : (Math.round(scale * 100) / 100).toString()})"/>`;
}

const CROWN: readonly Disc[] = [
  { x: 200, y: 150, r: 78 },
  { x: 126, y: 172, r: 62 },
  { x: 274, y: 168, r: 62 },
  { x: 156, y: 112, r: 54 },
  { x: 246, y: 108, r: 54 },
  { x: 202, y: 82, r: 52 },
  { x: 104, y: 220, r: 42 },
  { x: 298, y: 218, r: 44 },
  { x: 170, y: 220, r: 56 },
  { x: 236, y: 222, r: 56 },
];

/** The grown tree without what it bears; that lies over it as a drawing of its own, since the leaves are most of the bytes. */
function fullTree(): string {
  const dice = new Dice(71);
  const { back, front } = crown(CROWN, dice, 18);
  return (
    ground(dice, 62) +
    `<ellipse cx="204" cy="${GROUND + 8}" rx="128" ry="17" fill="url(#shade)" opacity=".8"/>` +
    back +
    trunk(252, 20) +
    branches(76, 238) +
    front
  );
}

function seed(): string {
  const dice = new Dice(11);
  return (
    ground(dice, 70) +
    `<g transform="translate(200 ${GROUND - 12})"><path d="M0-46C16-34 20-14 0 4-20-14-16-34 0-46z" fill="#8d5b3c"/><path d="M0-46C7-34 8-14 0 4-20-14-16-34 0-46z" fill="#a8704a"/><path d="M-7-28C-9-20-8-12-4-6" stroke="#d7a57c" stroke-width="3" stroke-linecap="round" fill="none"/></g>` +
    `<path d="M150 ${GROUND + 3}C168 ${GROUND - 13} 232 ${GROUND - 13} 250 ${GROUND + 3} 226 ${GROUND - 2} 174 ${GROUND - 2} 150 ${GROUND + 3}z" fill="#8f6950"/>` +
    `<g fill="#f3c766"><path d="M152 ${GROUND - 62}l3 8 8 3-8 3-3 8-3-8-8-3 8-3z" opacity=".9"/><path d="M252 ${GROUND - 46}l2.4 6 6 2.4-6 2.4-2.4 6-2.4-6-6-2.4 6-2.400z" opacity=".8"/><path d="M228 ${GROUND - 88}l2 5 5 2-5 2-2 5-2-5-5-2 5-2z" opacity=".7"/></g>`
  );
}

function sprout(): string {
  const dice = new Dice(12);
  const y = GROUND - 8;
  const cotyledon = (flip: number) =>
    `<g transform="translate(201 ${y - 74}) scale(${flip} 1)"><path d="M0 2C8-30 40-44 66-34 66-8 36 12 0 2z" fill="${flip > 0 ? "#7db868" : "#93c878"}"/><path d="M0 2C16-8 36-20 66-34 60-10 34 10 0 2z" fill="#5f9f5c" opacity=".55"/><path d="M6 0C22-10 40-20 56-29" stroke="#d6ecb6" stroke-width="2" fill="none" stroke-linecap="round" opacity=".8"/></g>`;
  return (
    ground(dice, 66) +
    `<path d="M196 ${y + 8}C194 ${y - 24} 208 ${y - 44} 200 ${y - 76}" fill="none" stroke="url(#stem)" stroke-width="8" stroke-linecap="round"/>` +
    `<path d="M196 ${y + 4}C195 ${y - 20} 206 ${y - 42} 199 ${y - 70}" fill="none" stroke="#c8e6a4" stroke-width="2" stroke-linecap="round" opacity=".8"/>` +
    cotyledon(-1) +
    cotyledon(1) +
    `<path d="${leaf(200, y - 74, 26, -1.85, 8)}" fill="#a9d889"/><path d="${leaf(201, y - 74, 24, -1.2, 7)}" fill="#8fc777"/>` +
    `<g fill="#fff" opacity=".75"><circle cx="150" cy="${y - 96}" r="3.4"/><circle cx="248" cy="${y - 98}" r="2.6"/></g>`
  );
}

function sapling(): string {
  const dice = new Dice(31);
  const discs: Disc[] = [
    { x: 200, y: 176, r: 44 },
    { x: 164, y: 212, r: 34 },
    { x: 236, y: 208, r: 35 },
    { x: 200, y: 230, r: 36 },
    { x: 206, y: 140, r: 28 },
  ];
  const { back, front } = crown(discs, dice, 19);
  const base = GROUND + 1;
  return (
    ground(dice, 60) +
    `<ellipse cx="202" cy="${GROUND + 6}" rx="70" ry="11" fill="url(#shade)"/>` +
    // the stake that a young tree is tied to
    `<path d="M231 ${base}L226 236" stroke="#c9a884" stroke-width="6" stroke-linecap="round"/>` +
    back +
    `<path d="M${191} ${base}C194 ${base - 40} 198 ${base - 70} 197 220L205 220C206 ${base - 70} 206 ${base - 40} 210 ${base}z" fill="url(#bark)"/>` +
    `<path d="M200 268C190 250 178 240 168 226M203 256C214 244 224 232 234 220" stroke="#7c573f" stroke-width="6" fill="none" stroke-linecap="round"/>` +
    `<path d="M196 300C206 292 220 292 230 299 220 305 206 306 196 300z" fill="none" stroke="#e7d3ae" stroke-width="3.6"/>` +
    front
  );
}

function inBloom(variety: VarietyArt): string {
  const dice = new Dice(47);
  const petals: string[] = [];
  for (let i = 0; i < 16; i++) {
    const x = dice.between(96, 310);
    petals.push(leaf(x, dice.between(GROUND - 2, GROUND + 34), 6, dice.between(-0.6, 0.6), 2.2));
  }
  const falling = [[96, 286], [316, 300], [286, 322], [128, 330]]
    .map(([x = 0, y = 0]) => leaf(x, y, 8, dice.between(0.3, 1.2), 3))
    .join("");
  const flowers = places(CROWN, 46, 25, 2, dice)
    .map((at) => use("b", at, dice.between(0.8, 1.25), dice.between(0, 72)))
    .join("");
  const petal = variety === "peach" ? "#f9bfd2" : "#fff3f1";
  return (
    flowers +
    path(petals.join(""), `fill="${petal}" opacity=".9"`) +
    path(falling, `fill="${petal}"`)
  );
}

function bearing(variety: VarietyArt, ripe: boolean): string {
  const dice = new Dice(ripe ? 91 : 83);
  const fruits = places(CROWN, ripe ? 17 : 13, ripe ? 44 : 46, ripe ? 16 : 14, dice, 66)
    .map((at) => use("f", at, ripe ? dice.between(0.98, 1.12) : dice.between(0.62, 0.76), dice.between(-12, 12)))
    .join("");
  const basket = ripe
    ? `<g transform="translate(300 ${GROUND - 6})"><ellipse cx="0" cy="31" rx="46" ry="8" fill="url(#shade)"/>` +
      `<g>${use("f", { x: -16, y: -8 }, 0.9, -10)}${use("f", { x: 14, y: -9 }, 0.92, 9)}${use("f", { x: -1, y: -16 }, 0.94, 2)}</g>` +
      `<path d="M-36-2H36L29 26C28 30 25 32 21 32H-21C-25 32-28 30-29 26z" fill="#d9a868"/><path d="M-34 8H34M-32 17H32M-30 25H30" stroke="#b98447" stroke-width="2.4"/><path d="M-20-1L-15 31M-4-1L-3 31M12-1L10 31M26-1L21 30" stroke="#b98447" stroke-width="2" opacity=".6"/><rect x="-39" y="-6" width="78" height="9" rx="4.5" fill="#e6bd82"/></g>` +
      use("f", { x: 104, y: GROUND + 10 }, 0.86, 64)
    : "";
  return fruits + basket;
}

export function tree(stage: "seed" | "sprout" | "sapling" | "full"): string {
  const body = { seed, sprout, sapling, full: fullTree }[stage]();
  return svg(WIDTH, HEIGHT, `<defs>${PAINT}</defs>${body}`);
}

/** What a grown tree bears, to lie exactly over `tree("full")`. */
export function bears(stage: "blossom" | "fruiting" | "ripe", variety: VarietyArt): string {
  const symbol = stage === "blossom" ? blossom("b", variety) : fruitPaint(variety) + fruit("f", variety, stage === "ripe");
  const shade = PAINT.slice(PAINT.indexOf('<radialGradient id="shade"'));
  const body = stage === "blossom" ? inBloom(variety) : bearing(variety, stage === "ripe");
  return svg(WIDTH, HEIGHT, `<defs>${stage === "ripe" ? shade : ""}${symbol}</defs>${body}`);
}
