// How the one source is built for Alipay, WeChat and the web.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

import uniModule from "@dcloudio/vite-plugin-uni";
import { defineConfig, type Plugin } from "vite";

// The plugin is a CommonJS module whose default export arrives wrapped or bare, depending on who loads this file.
const uni = ((uniModule as unknown as { default?: unknown }).default ?? uniModule) as () => Plugin[];

/** The framework's style sheet fetches a shadow from its vendor's server, and animates to do so; our pages ask nobody else. */
function noForeignPictures(): Plugin {
  return {
    name: "no-foreign-pictures",
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "asset" || !file.fileName.endsWith(".css")) continue;
        file.source = String(file.source)
          .replace(/@keyframes shadow-preload\s*\{(?:[^{}]*\{[^{}]*\})*\s*\}/g, "")
          .replace(/animation:\s*shadow-preload[^;}]*;?/g, "")
          .replace(/url\(["']?https?:[^)]*\)/g, "none");
      }
    },
  };
}

/** Beside each text of the web build its compressed forms, for the server to send as they are: a third of the bytes. */
function compressedBeside(): Plugin {
  let folder = "";
  return {
    name: "compressed-beside",
    apply: "build",
    enforce: "post",
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      if (process.env["UNI_PLATFORM"] !== "h5" || !existsSync(folder)) return;
      for (const one of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!one.isFile() || !/\.(js|css|html|svg)$/.test(one.name)) continue;
        const path = join(one.parentPath, one.name);
        const text = readFileSync(path);
        if (text.length < 1_000) continue;
        writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(text));
      }
    },
  };
}

/** A mini-program has no origin of its own, so it must be told where the service is. */
function knowsItsService(): Plugin {
  return {
    name: "knows-its-service",
    configResolved(config) {
      const { VITE_SERVICE } = config.env as { VITE_SERVICE?: string };
      if (process.env["UNI_PLATFORM"] !== "h5" && !VITE_SERVICE) {
        config.logger.warn("VITE_SERVICE is not set, so this build will find no service: VITE_SERVICE=https://… npm run build:…");
      }
    },
  };
}

export default defineConfig({
  plugins: [uni(), noForeignPictures(), compressedBeside(), knowsItsService()],
  build: { target: "es2018", chunkSizeWarningLimit: 400 },
});
