// Writes every drawing into src; `--check` instead says which files are not what this would write.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { drawings } from "./drawings";
import { iconSheet } from "./icons";

const source = join(__dirname, "..", "src");
const art = join(source, "static", "art");
const wanted: Record<string, string> = { [join(source, "styles", "icons.css")]: iconSheet() };
for (const [name, text] of Object.entries(drawings())) wanted[join(art, name)] = text;

if (process.argv.includes("--check")) {
  const wrong = [
    ...Object.keys(wanted).filter((path) => !existsSync(path) || readFileSync(path, "utf8") !== wanted[path]),
    ...readdirSync(art).map((name) => join(art, name)).filter((path) => !(path in wanted)),
  ];
  if (wrong.length) {
    console.error(`not as drawn: ${wrong.join(", ")}; run npm run draw`);
    process.exit(1);
  }
} else {
  for (const [path, text] of Object.entries(wanted)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  console.log(`${Object.keys(wanted).length} files drawn`);
}
