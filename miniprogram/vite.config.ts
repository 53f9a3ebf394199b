// How the one source is built for Alipay, WeChat and the web.
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

export default defineConfig({
  plugins: [uni(), noForeignPictures()],
  build: { target: "es2018", chunkSizeWarningLimit: 400 },
});
