import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // The examples import the package as its users do.
  resolve: {
    alias: [
      { find: /^faultline$/, replacement: file("src/index.ts") },
      { find: /^faultline\/checkers$/, replacement: file("checkers/index.ts") },
    ],
  },
  test: {
    include: ["{src,workloads,nemesis,checkers,cluster,reports}/**/*.test.ts"],
    testTimeout: 60_000,
    // One more than the default on two cores, which keeps one for whoever waits.
    maxWorkers: "100%",
  },
});
