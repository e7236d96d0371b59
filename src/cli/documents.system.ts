/** Every `npx faultline` line in the README and in docs/ is run, in order, in a directory per document. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = join(root, "dist/src/cli/main.js");
const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))];

function commands(document: string): string[] {
  const blocks = readFileSync(join(root, document), "utf8").matchAll(/```sh\n([\s\S]*?)```/g);
  const lines = [...blocks].flatMap(([, block]) => (block as string).trim().split("\n"));
  // Installing and testing are what already happened for this test to run.
  return lines.filter((line) => line.startsWith("npx faultline "));
}

const spoken = documents.filter((document) => document.endsWith(".md") && commands(document).length > 0);

it.each(spoken)("%s holds only commands that work", (document) => {
  const home = mkdtempSync(join(tmpdir(), "faultline-documents-"));
  try {
    for (const line of commands(document)) {
      const words = line.split(/\s+/).slice(2);
      const { status, stderr } = spawnSync(process.execPath, [main, ...words], {
        cwd: home,
        encoding: "utf8",
      });
      // A run may prove too little (2), and finds something (1) only if a bug was planted.
      const fit = line.includes(" --bug ") ? [0, 1, 2] : [0, 2];
      expect(fit, `${line}: ${status}: ${stderr}`).toContain(status);
    }
  } finally {
    rmSync(home, { recursive: true });
  }
});
