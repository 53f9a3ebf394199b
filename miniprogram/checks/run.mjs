// Everything that must hold before the client ships, in two lanes for two cores; prints what each part took.

import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
let failed = false;

function run(name, command, ...args) {
  if (failed) return Promise.resolve();
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(bin(command), args, { cwd: root, env: { ...process.env, NODE_ENV: undefined } });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => (output += error.message));
    child.on("close", (code) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
      if (code !== 0) {
        failed = true;
        console.log(output);
      } else for (const line of output.split("\n")) if (/bytes/.test(line)) console.log(`         ${line.trim()}`);
      resolve();
    });
  });
}

async function lane(...parts) {
  for (const part of parts) await run(...part);
}

await Promise.all([
  lane(
    ["drawings are as drawn", "tsx", "art/draw.ts", "--check"],
    ["types", "vue-tsc", "--noEmit", "-p", "tsconfig.json"],
    ["lint", "eslint", "."],
    ["unit tests", "vitest", "run"],
  ),
  lane(
    ["build for the web", "uni", "build"],
    ["build for WeChat", "uni", "build", "-p", "mp-weixin"],
    ["build for Alipay", "uni", "build", "-p", "mp-alipay"],
  ),
]);
await run("what was built", "vitest", "run", "--config", "checks/vitest.config.ts", "--root", ".");
process.exit(failed ? 1 : 0);
