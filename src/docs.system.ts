/**
 * Every `sh` example of README and docs/ is run, line by line, by the built command line in a directory per page. A
 * line ends with exit code 0 unless its block says otherwise: `sh exit=1`. And the pages name every command and flag.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runNotebook } from "../examples/notebook.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = join(root, "dist/src/cli/main.js");
const read = (page: string): string => readFileSync(join(root, page), "utf8");
const pages = [
  "README.md",
  "ARCHITECTURE.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

interface Example {
  readonly line: string;
  readonly exit: number;
}

function examples(page: string): Example[] {
  return [...read(page).matchAll(/^```sh(?: exit=(\d+))?\n([\s\S]*?)^```$/gm)].flatMap(([, exit, body]) =>
    (body as string)
      .trim()
      .split("\n")
      .map((line) => ({ line, exit: Number(exit ?? 0) })),
  );
}

function faultline(words: readonly string[], cwd: string) {
  const env = { ...process.env, NO_COLOR: "1" };
  return spawnSync(process.execPath, [main, ...words], { cwd, env, encoding: "utf8", maxBuffer: 1 << 26 });
}

describe.each(pages.filter((page) => examples(page).length > 0))("%s", (page) => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "faultline-docs-"));
  });
  afterAll(() => {
    rmSync(home, { recursive: true });
  });

  it.each(examples(page))("$line", ({ line, exit }) => {
    // Installing is what already happened for this test to run.
    const command = line.replace(/^npm ci && /, "");
    const script = /^npm (?:run )?([\w:]+)$/.exec(command);
    if (script !== null) {
      const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: object };
      expect(Object.keys(scripts)).toContain(script[1]);
      return;
    }
    const words = command.split(/\s+/);
    expect(words.slice(0, 2)).toEqual(["npx", "faultline"]);
    const { status, stdout, stderr } = faultline(words.slice(2), home);
    expect({ line, status, output: stdout.slice(-2_000), stderr: stderr.slice(-2_000) }).toMatchObject({
      line,
      status: exit,
    });
    // A mistake is told in one line, not by a stack.
    if (exit === 254) expect(stderr).not.toMatch(/\n {4}at /);
    if (exit === 1) expect(stdout).toContain("npx faultline run ");
  });
});

describe("the example of a system on real machines", () => {
  const plan = { faults: ["kill"], faultInterval: 1, duration: 6, rate: 100, seed: 1 };

  it("keeps its promise if it writes before it answers", async () => {
    const { result } = await runNotebook(plan, 0);
    expect(result).toMatchObject({ validity: "valid", vacuous: false });
  });

  it("is caught if it answers before it writes", async () => {
    const { result } = await runNotebook(plan, 500);
    const found = result.verdicts.filter(({ validity }) => validity === "invalid");
    expect(found.map(({ checker }) => checker)).toEqual(["linearizable"]);
  });
});

describe("docs/cli.md", () => {
  const text = read("docs/cli.md");
  const help = (...words: string[]): string => faultline([...words, "--help"], root).stdout;
  /** The terms of a list in a help text. */
  const terms = (title: string, from: string): string[] => {
    const start = from.indexOf(`\n${title}:\n`);
    const rest = start < 0 ? "" : from.slice(start + title.length + 3);
    const list = rest.split("\n\n")[0] as string;
    return [...list.matchAll(/^ {2}(\S(?:.*?\S)?)(?: {2,}|$)/gm)].map(([, term]) => term as string);
  };
  const commands = terms("Commands", help())
    .map((term) => term.split(" ")[0] as string)
    .filter((name) => name !== "help");
  const section = (command: string): string => {
    const start = text.indexOf(`\n## faultline ${command}\n`);
    const end = text.indexOf("\n## ", start + 1);
    return start < 0 ? "" : text.slice(start, end < 0 ? undefined : end);
  };
  const flagsOf = (part: string): string[] =>
    [...part.matchAll(/^\| `((?:-\w, )?--[^`]+)` \|/gm)].map(([, flag]) => flag as string);
  // These describe what becomes of a run, not the plan.
  const shared = flagsOf(section("run")).filter((flag) => !/^--(store|shrink-budget)/.test(flag));

  it("has every command, and README too", () => {
    const documented = [...text.matchAll(/^## faultline (\w+)$/gm)].map(([, name]) => name as string);
    expect(documented).toEqual(commands);
    const table = [...read("README.md").matchAll(/^\| `faultline (\w+)` \|/gm)].map(
      ([, name]) => name as string,
    );
    expect(table).toEqual(commands);
  });

  it.each(commands)("has every flag of %s, and no other", (command) => {
    const flags = terms("Options", help(command)).filter((flag) => !flag.includes("--help"));
    const own = flagsOf(section(command));
    const documented = command === "sweep" || command === "replay" ? [...shared, ...own] : own;
    expect(documented.sort()).toEqual(flags.sort());
  });

  it("lists every kind of thing", () => {
    const kinds = /choices: ([^)]*)\)/.exec(help("list").replace(/\s+/g, " "))?.[1] ?? "";
    const documented = [...section("list").matchAll(/^npx faultline list (\w+)$/gm)].map(
      ([, kind]) => kind as string,
    );
    expect(documented.sort()).toEqual(
      [...kinds.matchAll(/"(\w+)"/g)].map(([, kind]) => kind as string).sort(),
    );
  });
});
