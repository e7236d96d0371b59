/** `faultline suite` as a person meets it: the built command line, in a directory of its own. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SuiteSummary } from "../suite/summary.ts";

const main = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "faultline-suite-"));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

const SUITE = `
name: mine
base: { duration: 10, rate: 20, faultInterval: 2 }
matrices:
  - name: sound
    base: { faults: [kill, partition] }
    vary: { workload: [register, set], nodes: [3, 5] }
    seeds: 3
  - name: planted
    base: { bug: quorum-half, nodes: 4, faults: [partition] }
    seeds: 4
`;

function suite(words: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, ...more, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "suite", ...words], {
    cwd: home,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const directories = (store: string): string[] =>
  readdirSync(join(home, store, "suites/mine"))
    .sort()
    .map((name) => join(store, "suites/mine", name));
const read = (...path: string[]): string => readFileSync(join(home, ...path), "utf8");
const summaryOf = (directory: string) => JSON.parse(read(directory, "summary.json")) as SuiteSummary;

/** Without what two runs of a suite may differ in. */
function essence({ started: _, elapsed: _1, findings, ...rest }: SuiteSummary) {
  return {
    ...rest,
    findings: findings.map(({ since: _2, example, ...finding }) => ({ ...finding, seed: example.seed })),
  };
}

describe("a suite", () => {
  it("says what broke, keeps it, tells build servers, and knows the next time that it is not new", () => {
    writeFileSync(join(home, "mine.yaml"), SUITE);
    const job = join(home, "job.md");
    const first = suite(["mine.yaml"], { GITHUB_STEP_SUMMARY: job });
    expect(first.status).toBe(1);
    expect(first.stdout).toMatch(/^INVALID {2}Suite mine: \d new findings?/);
    const [directory] = directories("store") as [string];
    const summary = summaryOf(directory);
    expect(summary.cells.map(({ state }) => state)).toEqual(["valid", "valid", "valid", "valid", "invalid"]);
    const [finding] = summary.findings;
    expect(finding).toMatchObject({ known: false, cells: ["planted"], suites: 1 });
    expect(existsSync(join(home, finding?.example.run as string, "report.html"))).toBe(true);
    expect(first.stdout).toContain(finding?.example.repeat);
    expect(read(directory, "index.html")).toContain("What broke");
    expect(read(directory, "junit.xml")).toContain('tests="1" failures="1" errors="0"');
    expect(readFileSync(job, "utf8")).toBe(read(directory, "summary.md"));

    const signatures = summary.findings.map(({ signature }) => signature);
    writeFileSync(join(home, "mine.yaml"), `${SUITE}    known: ${JSON.stringify(signatures)}\n`);
    const second = suite(["mine.yaml"]);
    expect(second.status).toBe(0);
    const [, next] = directories("store") as [string, string];
    expect(summaryOf(next).findings[0]).toMatchObject({ known: true, since: summary.started, suites: 2 });
  });

  it("that was killed goes on to the result that it would have had", async () => {
    writeFileSync(join(home, "mine.yaml"), SUITE);
    suite(["mine.yaml", "--store", "whole", "--jobs", "1"]);
    const child = spawn(process.execPath, [main, "suite", "mine.yaml", "--store", "halves", "--jobs", "1"], {
      cwd: home,
      stdio: "ignore",
    });
    const over = new Promise((resolve) => {
      child.once("close", resolve);
    });
    const trials = (): number => {
      const [directory] = existsSync(join(home, "halves/suites/mine")) ? directories("halves") : [];
      const file = directory === undefined ? "" : join(home, directory, "trials.jsonl");
      return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
    };
    while (trials() < 4) await delay(20);
    child.kill("SIGKILL");
    await over;
    const [directory] = directories("halves") as [string];
    expect(existsSync(join(home, directory, "summary.json"))).toBe(false);
    const done = trials();
    expect(done).toBeLessThan(16);
    const resumed = suite(["--resume", directory, "--store", "halves", "--jobs", "1"]);
    expect(resumed.status).toBe(1);
    const [whole] = directories("whole") as [string];
    expect(essence(summaryOf(directory))).toEqual(essence(summaryOf(whole)));
  });

  it("out of budget says what was not run", () => {
    writeFileSync(join(home, "mine.yaml"), SUITE);
    const { status, stdout } = suite(["mine.yaml", "--budget", "1ms"]);
    expect(status).toBe(2);
    expect(stdout).toContain("nothing was run");
    expect(stdout).toContain("16 were not run");
    expect(stdout).toContain("go on: npx faultline suite --resume store/suites/mine/");
  });

  it.each<[readonly string[], RegExp]>([
    [[], /suite: name a suite, or one to go on with by --resume/],
    [["nigthly"], /nigthly: no such suite; there are smoke, nightly, or name a file/],
    [["nowhere.yaml"], /nowhere\.yaml: cannot be read: ENOENT/],
    [["--resume", "store"], /store: no suite; expected a directory such as/],
    [["smoke", "--budget", "soon"], /--budget: soon is not a time/],
    [["smoke", "--jobs", "0"], /--jobs: 0 is not a whole number of at least 1/],
    [["bad.yaml"], /bad\.yaml: matrices\.0: there is no "workload"; there are name, base, vary/],
    [["typo.yaml"], /mine, m: workload=regster: .*did you mean register/],
  ])("says what is wrong with %j, and leaves nothing", (words, message) => {
    writeFileSync(join(home, "bad.yaml"), "name: mine\nmatrices: [{ name: m, workload: register }]\n");
    writeFileSync(
      join(home, "typo.yaml"),
      "name: mine\nmatrices: [{ name: m, vary: { workload: [regster] } }]\n",
    );
    const { status, stderr } = suite(words);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(status).toBe(254);
    expect(existsSync(join(home, "store"))).toBe(false);
  });
});
