import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,workloads,nemesis,checkers,cluster,reports}/**/*.test.ts"],
    testTimeout: 60_000,
  },
});
