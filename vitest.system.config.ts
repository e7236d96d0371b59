/** Suites that run the built command line, long sweeps, and a browser: `npm run test:system`. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,workloads,nemesis,checkers,cluster,reports}/**/*.system.ts"],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
