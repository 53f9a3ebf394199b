// Checks of what was built, for after the builds.
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["checks/**/*.test.ts"] } });
