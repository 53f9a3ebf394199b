// The list of drawings by file name.

import { VARIETIES, fruitAlone } from "./fruit";
import { box, can, hanger, scene } from "./props";
import { bears, tree } from "./tree";

export function drawings(): Record<string, string> {
  const files: Record<string, string> = {
    "scene-light.svg": scene("light"),
    "scene-dark.svg": scene("dark"),
    "can.svg": can(),
    "hanger.svg": hanger(),
  };
  for (const stage of ["seed", "sprout", "sapling", "full"] as const) files[`tree-${stage}.svg`] = tree(stage);
  for (const variety of VARIETIES) {
    for (const stage of ["blossom", "fruiting", "ripe"] as const) files[`${stage}-${variety}.svg`] = bears(stage, variety);
    files[`fruit-${variety}.svg`] = fruitAlone(variety);
    files[`box-${variety}.svg`] = box(variety);
  }
  return files;
}
