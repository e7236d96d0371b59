/** The built command line as a person meets it: every test is a child process in a directory of its own. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = join(root, "dist/src/cli/main.js");

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "faultline-cli-"));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function faultline(words: readonly string[], node: readonly string[] = []): Ended {
  const env = { ...process.env, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, main, ...words], {
    cwd: home,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { code: status, out: stdout, err: stderr };
}

const latest = (file: string): string => readFileSync(join(home, "store/latest", file), "utf8");
const broken = ["run", "-d", "20s", "--bug", "quorum-half", "-s", "9"];

it("demonstrates a clean and a broken cluster", () => {
  const { code, out } = faultline(["demo"]);
  expect(out).toMatch(/^VALID/m);
  expect(out).toMatch(/^INVALID/m);
  expect(code).toBe(0);
  const reports = [...out.matchAll(/report: (\S+)/g)].map(([, path]) => path as string);
  expect(reports).toHaveLength(2);
  for (const path of reports) expect(existsSync(join(home, path))).toBe(true);
});

describe("a run", () => {
  it("says valid and invalid by its exit code, and unknown if the budget is spent", () => {
    expect(faultline(["run", "-d", "5s", "-s", "1", "-f", "none"]).code).toBe(0);
    expect(faultline(broken).code).toBe(1);
    expect(faultline(["run", "-d", "5s", "-s", "1", "-f", "none", "--budget", "1"]).code).toBe(2);
  });

  it("is repeated by the line it prints", () => {
    const line = /repeat: npx faultline (.+)/.exec(faultline(broken).out)?.[1] as string;
    const history = latest("history.jsonl");
    expect(faultline(line.split(" ")).code).toBe(1);
    expect(latest("history.jsonl")).toBe(history);
  });

  it("is replayed byte by byte, and a changed history is noticed", () => {
    faultline(["run", "-d", "5s", "-s", "1"]);
    expect(faultline(["replay", "store/latest"]).out).toMatch(/^IDENTICAL/);
    const events = latest("history.jsonl").trimEnd().split("\n");
    const shortened = events.slice(0, -2);
    writeFileSync(join(home, "store/latest/history.jsonl"), `${shortened.join("\n")}\n`);
    expect(faultline(["replay", "store/latest"])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^DIFFERENT/),
    });
  });

  it("is the same by flags and by a file", () => {
    const knobs = ["--set", "raftkv.preVote=false", "--set", "network.latencyMs=3", "--set", "disk.syncMs=2"];
    const flags = ["-w", "kv", "-f", "kill,pause", "--fault-interval", "4s", "--target", "one", "-n", "3"];
    faultline([
      "run",
      ...flags,
      "--concurrency",
      "2n",
      "--rate",
      "40",
      "-d",
      "10s",
      "--timeout",
      "3s",
      "-s",
      "5",
      ...knobs,
    ]);
    const byFlags = latest("history.jsonl");
    writeFileSync(
      join(home, "plan.yaml"),
      "workload: kv\nfaults: [kill, pause]\nfaultInterval: 4\ntarget: one\nnodes: 3\nconcurrency: 6\nrate: 40\n" +
        "duration: 10\ntimeout: 3\nseed: 5\nraftkv: {preVote: false}\nnetwork: {latencyMs: 3}\ndisk: {syncMs: 2}\n",
    );
    faultline(["run", "-c", "plan.yaml"]);
    expect(latest("history.jsonl")).toBe(byFlags);
  });

  it("that is killed can be checked and reported, whenever it died", async () => {
    for (const least of [1, 20_000, 200_000]) {
      const store = join(home, `killed-${least}`);
      const child = spawn(process.execPath, [main, "run", "-d", "100000s", "-s", "2", "--store", store], {
        stdio: "ignore",
      });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const journal = join(store, "latest/history.jsonl");
      while (!existsSync(journal) || readFileSync(journal).length < least) {
        expect(child.exitCode).toBeNull();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      child.kill("SIGKILL");
      await ended;
      // Cut off before anything was healed: what was recorded is good, and not all was checked.
      expect([0, 2]).toContain(faultline(["check", join(store, "latest")]).code);
      expect(faultline(["report", join(store, "latest")]).code).toBe(0);
    }
  });
});

describe("a workload", () => {
  const names = faultlineNames();
  it.each(names)("%s gives the same bytes in two processes with different heaps", (name) => {
    for (const seed of ["1", "2", "3"]) {
      const histories = ["64", "512"].map((heap) => {
        faultline(["run", "-w", name, "--swarm", "-d", "10s", "-s", seed], [`--max-old-space-size=${heap}`]);
        return latest("history.jsonl");
      });
      expect(histories[1]).toBe(histories[0]);
    }
  });
});

function faultlineNames(): string[] {
  const { stdout } = spawnSync(process.execPath, [main, "list", "workloads"], { encoding: "utf8" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[0] as string);
}

describe("a sweep", () => {
  it("finds a planted bug and prints the line that repeats it", () => {
    const { code, out } = faultline(["sweep", "--bug", "quorum-half", "--seeds", "40"]);
    expect(code).toBe(1);
    expect(out).toMatch(/repeat: npx faultline run .*--bug quorum-half .*--seed \d+/);
  });

  it("of clean seeds is valid", () => {
    expect(faultline(["sweep", "--seeds", "4", "-d", "10s", "-f", "kill", "--no-swarm"]).out).toMatch(
      /^4 seeds:.* 0 invalid/,
    );
  });
});

it.each(["workloads", "faults", "checkers", "models", "systems", "places", "bugs"])(
  "lists %s, one a line",
  (kind) => {
    const { code, out } = faultline(["list", kind]);
    expect(code).toBe(0);
    for (const line of out.trim().split("\n")) expect(line).toMatch(/^[a-z][a-z0-9-]* {2,}\S/);
  },
);

describe("a mistake", () => {
  it.each([
    [["run", "--bogus"], /unknown option '--bogus'/],
    [["rnu"], /Did you mean run/],
    [["check"], /missing required argument/],
    [["list", "nonsense"], /Allowed choices are workloads/],
    [["run", "-w", "regster"], /did you mean register/],
    [["run", "-f", "partition", "-n", "1"], /needs at least 2 nodes/],
    [["run", "-f", "reorder"], /raftkv\.peerTransport=datagram/],
    [["run", "--target", "nobody"], /target nobody is unknown/],
    [["run", "--set", "workloadOptions.foo=1"], /wrong options: .*foo/],
    [["run", "--seed", "x"], /--seed: x is not a number/],
    [["run", "-c", "torn.yaml"], /torn\.yaml: not YAML/],
    [["run", "-c", "empty"], /empty: a plan is a map/],
    [["run", "--store", "diary"], /diary.*cannot be written/],
    [["check", "diary", "-w", "register"], /diary:1: not JSON/],
    [["check", "empty", "-w", "register"], /empty: holds no operations/],
    [["report", "."], /not a run directory/],
    [["replay", "nothing"], /no such run/],
  ])("%j is one clear error that writes nothing", (words, message) => {
    writeFileSync(join(home, "diary"), "dear diary\n");
    writeFileSync(join(home, "empty"), "");
    writeFileSync(join(home, "torn.yaml"), "workload: [register");
    const { code, out, err } = faultline(words);
    expect(err).toMatch(message);
    expect(err.trim().split("\n").length).toBeLessThanOrEqual(3);
    expect(err).not.toMatch(/^\s+at /m);
    expect({ code, out }).toEqual({ code: 254, out: "" });
    expect(readdirSync(home).sort()).toEqual(["diary", "empty", "torn.yaml"]);
    expect(readFileSync(join(home, "diary"), "utf8")).toBe("dear diary\n");
  });
});
