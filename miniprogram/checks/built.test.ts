// What was built: small enough, whole, valid for its platform, and asking nobody else for anything.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";

import { parse } from "@vue/compiler-dom";
import postcss from "postcss";
import { describe, expect, test } from "vitest";

const BUILD = join(__dirname, "..", "dist", "build");
const MAIN_PACKAGE_BYTES = 1_000_000;
const FIRST_LOAD_GZIP_BYTES = 200_000;

// The elements of Alipay that are used here, and the events that each of them has.
const AXML_ELEMENTS: Record<string, string[]> = {
  view: ["onTap", "catchTap"], text: ["onTap"], image: ["onLoad", "onError"], button: ["onTap"], input: ["onInput"], textarea: ["onInput"], block: [], slot: [],
};
const AXML_DIRECTIVES = new Set(["a:if", "a:elif", "a:else", "a:for", "a:for-item", "a:for-index", "a:key"]);

interface Node {
  type: number;
  tag?: string;
  props?: { name: string; loc: { source: string } }[];
  children?: Node[];
}

function files(folder: string, ending = ""): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && one.name.endsWith(ending))
    .map((one) => join(one.parentPath, one.name));
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}

function json(path: string): Record<string, unknown> {
  return JSON.parse(read(path)) as Record<string, unknown>;
}

describe.each(["mp-weixin", "mp-alipay"])("the %s build", (name) => {
  const root = join(BUILD, name);

  test("fits into one main package with room to spare", () => {
    const bytes = files(root).reduce((sum, path) => sum + statSync(path).size, 0);
    console.log(`${name}: ${bytes} bytes`);
    expect(bytes).toBeLessThan(MAIN_PACKAGE_BYTES);
  });

  test("has every page and every component that it names", () => {
    const [template, style] = name === "mp-weixin" ? [".wxml", ".wxss"] : [".axml", ".acss"];
    const { pages } = json(join(root, "app.json")) as { pages: string[] };
    expect(pages.length).toBe(11);
    for (const page of pages) for (const part of [".js", ".json", template]) expect(existsSync(join(root, page + part)), page + part).toBe(true);
    for (const path of files(root, ".json")) {
      const using = (json(path)["usingComponents"] ?? {}) as Record<string, string>;
      for (const [tag, target] of Object.entries(using)) {
        const base = target.startsWith("/") ? join(root, target) : join(dirname(path), target);
        expect(existsSync(`${base}.json`) && existsSync(base + template), `${relative(root, path)}: ${tag}`).toBe(true);
      }
    }
    for (const path of files(root, style)) expect(() => postcss.parse(read(path)), relative(root, path)).not.toThrow();
  });

  test("has no code of another platform and no foreign address", () => {
    for (const path of files(root, ".js")) {
      if (path.includes("vendor")) continue; // the framework, whose error messages name its manual
      const code = read(path);
      expect(code.match(/https?:\/\/[\w.-]+\.\w+/g) ?? [], relative(root, path)).toEqual([]);
      expect(code.includes("localStorage") || code.includes("document.createElement"), relative(root, path)).toBe(false);
    }
  });
});

describe("the Alipay templates", () => {
  const root = join(BUILD, "mp-alipay");

  test.each(files(root, ".axml").map((path) => [relative(root, path), path]))("%s is well formed and uses what there is", (_name, path) => {
    const problems: string[] = [];
    const tree = parse(read(path), { parseMode: "base", onError: (error) => problems.push(error.message) }) as unknown as Node;
    const using = Object.keys((json(path.replace(/\.axml$/, ".json"))["usingComponents"] ?? {}));
    const visit = (node: Node) => {
      if (node.type === 1 && node.tag) {
        const events = AXML_ELEMENTS[node.tag];
        if (!events && !using.includes(node.tag)) problems.push(`<${node.tag}> is neither an element nor a component`);
        for (const prop of node.props ?? []) {
          const attribute = prop.loc.source.split("=")[0] ?? "";
          if (attribute.startsWith("a:") && !AXML_DIRECTIVES.has(attribute)) problems.push(`${attribute} is no directive`);
          if (/^(wx:|bind|v-|@)/.test(attribute)) problems.push(`${attribute} belongs to another platform`);
          if (events && /^(on|catch)[A-Z]/.test(attribute) && !events.includes(attribute)) problems.push(`<${node.tag}> has no ${attribute}`);
        }
      }
      node.children?.forEach(visit);
    };
    visit(tree);
    expect(problems).toEqual([]);
  });
});

describe("the web build", () => {
  const root = join(BUILD, "h5");

  test("loads the orchard for less than 200 kB, pictures aside", () => {
    const seen = new Set<string>();
    const wanted = [...read(join(root, "index.html")).matchAll(/(?:src|href)="\/play\/(assets\/[^"]+)"/g)].map((one) => one[1]!);
    wanted.push(...files(join(root, "assets")).map((path) => relative(root, path)).filter((path) => /pages-orchard.*\.js$|orchard-.*\.css$/.test(path)));
    while (wanted.length) {
      const path = wanted.pop()!;
      if (seen.has(path)) continue;
      seen.add(path);
      if (!path.endsWith(".js")) continue;
      for (const [, next] of read(join(root, path)).matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) wanted.push(`assets/${next}`);
    }
    const bytes = [...seen].reduce((sum, path) => sum + gzipSync(readFileSync(join(root, path))).length, 0);
    console.log(`h5 first load: ${bytes} bytes gzip in ${seen.size} files`);
    expect(seen.size).toBeGreaterThan(2);
    expect(bytes).toBeLessThan(FIRST_LOAD_GZIP_BYTES);
  });

  test("asks only its own origin", () => {
    for (const path of files(root)) {
      if (!/\.(js|css|html|svg)$/.test(path)) continue;
      expect(read(path).match(/https?:\/\/(?!www\.w3\.org|vuejs\.org)[\w.-]+\.\w+/g) ?? [], relative(root, path)).toEqual([]);
    }
  });
});
