/** The built command line as a person meets it: every test is a child process in a directory of its own. */
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parsePlan } from "../plan.ts";

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

const path = (file: string): string => join(home, "store/latest", file);
const latest = (file: string): string => readFileSync(path(file), "utf8");

/** Starts a run that will not end by itself, and waits until its journal holds `least` bytes. */
async function running(least: number, duration = "100000s"): Promise<Running> {
  const child = spawn(process.execPath, [main, "run", "-d", duration, "-s", "2"], { cwd: home });
  let err = "";
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => resolve({ code, out: "", err }));
  });
  while (!existsSync(path("history.jsonl")) || statSync(path("history.jsonl")).size < least) {
    if (child.exitCode !== null) throw new Error(`the run ended by itself: ${err}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { ended, kill: (signal) => child.kill(signal) };
}

interface Running {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

const clean = ["run", "-d", "5s", "-s", "1", "-f", "none"];

it("demonstrates a cluster that survives and one that does not", () => {
  const { code, out } = faultline(["demo"]);
  expect(out).toMatch(/^VALID/m);
  expect(out).toMatch(/^Found after \d+ seeds? in [\d.]+ CPU-seconds/m);
  expect(out).toMatch(/^INVALID/m);
  expect(out).toMatch(/^ {2}invalid +linearizable: /m);
  expect(out).toMatch(/^identical, event for event: \d+ events/m);
  expect(code).toBe(0);
  const reports = new Set([...out.matchAll(/\S+\/report\.html/g)].map(([report]) => report));
  expect(out).toMatch(/^Shrunk to \d+ nodes, \d+ faults, \d+ operations in/m);
  expect(reports.size).toBe(3);
  for (const report of reports) expect(existsSync(join(home, report))).toBe(true);
});

describe("a run", () => {
  it("says valid or vacuous by its exit code, with the seed that repeats it", () => {
    const { code, out } = faultline(clean);
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/^VALID/) });
    expect(out).toMatch(/^ {2}seed 1: \d+ operations in [\d.]+ virtual seconds/m);
    expect(existsSync(join(home, /report: (\S+)/.exec(out)?.[1] ?? "none"))).toBe(true);
    // Over before the first fault: it proves less than it claims.
    expect(faultline(["run", "-d", "1s", "-s", "1"])).toMatchObject({
      code: 2,
      out: expect.stringMatching(/^VALID, BUT VACUOUS[\s\S]*repeat: npx faultline run /),
    });
  });

  it("draws a seed of its own, and prints it", () => {
    const [first, second] = [1, 2].map(() => faultline(["run", "-d", "1s"]).out);
    const seed = /^ {2}seed (\d+):/m.exec(first as string)?.[1] as string;
    expect(second).not.toContain(`seed ${seed}:`);
    faultline(["run", "-d", "1s", "-s", seed]);
    const again = latest("history.jsonl");
    const stores = readdirSync(join(home, "store/register")).filter((name) => name.includes(`-seed${seed}`));
    expect(stores).toHaveLength(2);
    for (const name of stores)
      expect(readFileSync(join(home, "store/register", name, "history.jsonl"), "utf8")).toBe(again);
  });

  it("is the same by flags and by a file, whatever the knob", () => {
    const knobs: readonly (readonly [field: string, yaml: string, flags: readonly string[]])[] = [
      ["workload", "kv", ["-w", "kv"]],
      ["workloadOptions", "{keys: 3}", ["--set", "workloadOptions.keys=3"]],
      ["faults", "[kill, pause]", ["-f", "kill,pause"]],
      ["faultInterval", "4", ["--fault-interval", "4s"]],
      ["target", "one", ["--target", "one"]],
      ["system", "raftkv", ["--system", "raftkv"]],
      ["place", "simulated", ["--place", "simulated"]],
      ["nodes", "3", ["-n", "3"]],
      ["concurrency", "6", ["--concurrency", "2n"]],
      ["rate", "40", ["--rate", "40"]],
      ["duration", "12", ["-d", "0.2m"]],
      ["timeout", "0.3", ["--timeout", "300ms"]],
      ["seed", "5", ["-s", "5"]],
      ["bug", "timeout-is-fail", ["--bug", "timeout-is-fail"]],
      ["budget", "100000", ["--budget", "100000"]],
      ["failFast", "true", ["--fail-fast"]],
      ["swarm", "true", ["--swarm"]],
      ["raftkv", "{preVote: false}", ["--set", "raftkv.preVote=false"]],
      ["etcd", "{heartbeatMs: 90}", ["--set", "etcd.heartbeatMs=90"]],
      ["docker", "{baseImage: mine}", ["--set", "docker.baseImage=mine"]],
      ["network", "{latencyMs: 3}", ["--set", "network.latencyMs=3"]],
      ["disk", "{syncMs: 2}", ["--set", "disk.syncMs=2"]],
    ];
    const fields = Object.keys(parsePlan({ target: "one" }));
    expect(["version", ...knobs.map(([field]) => field)].sort()).toEqual(fields.sort());
    // Shrinking would leave a smaller run behind.
    const alone = ["--shrink-budget", "0"];
    faultline(["run", ...alone, ...knobs.flatMap(([, , flags]) => flags)]);
    const byFlags = [latest("plan.json"), latest("history.jsonl")];
    writeFileSync(join(home, "plan.yaml"), knobs.map(([field, yaml]) => `${field}: ${yaml}\n`).join(""));
    faultline(["run", ...alone, "-c", "plan.yaml"]);
    expect([latest("plan.json"), latest("history.jsonl")]).toEqual(byFlags);
    expect(JSON.parse(byFlags[0] as string)).toMatchObject({
      workload: "kv",
      nodes: 3,
      concurrency: 6,
      duration: 12,
      timeout: 0.3,
      seed: 5,
    });
  });

  it("can be replayed, and a changed history is noticed", () => {
    faultline(["run", "-d", "5s", "-s", "1"]);
    expect(faultline(["replay"]).out).toMatch(/^IDENTICAL/);
    const history = latest("history.jsonl");
    const at = history.indexOf('"revision":', history.length / 2) + '"revision":'.length;
    writeFileSync(path("history.jsonl"), `${history.slice(0, at)}1${history.slice(at)}`);
    const line = history.slice(0, at).split("\n").length - 1;
    expect(faultline(["replay", "store/latest"])).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        new RegExp(`^DIFFERENT {2}from event ${line} on[\\s\\S]*Two runs of this build are equal`),
      ),
    });
  });

  it("whose end is missing is replayed as far as it goes", () => {
    faultline(["run", "-d", "5s", "-s", "1"]);
    writeFileSync(path("history.jsonl"), latest("history.jsonl").slice(0, -200));
    expect(faultline(["replay"])).toMatchObject({ code: 1, out: expect.stringMatching(/^DIFFERENT/) });
    rmSync(path("result.json"));
    expect(faultline(["replay"])).toMatchObject({
      code: 2,
      out: expect.stringMatching(/^IDENTICAL.* as far as the stored run went/),
    });
  });

  it("that breaks the harness is no verdict", async () => {
    const { ended } = await running(1, "20s");
    rmSync(join(home, "store"), { recursive: true });
    const { code, err } = await ended;
    expect(code).toBe(255);
    expect(err).toMatch(/the harness broke[\s\S]*repeat: npx faultline run .*--seed 2/);
  });
});

describe("a run that is ended early", () => {
  it.each([1, 20_000, 100_000])("by SIGKILL after %i bytes can be checked and reported", async (least) => {
    const { ended, kill } = await running(least);
    kill("SIGKILL");
    await ended;
    const { code, out } = faultline(["check", "store/latest"]);
    // Nothing wrong was recorded, but perhaps too little to prove anything.
    expect([0, 2]).toContain(code);
    expect(out).toMatch(/ linearizable: /);
    expect(faultline(["report"])).toMatchObject({ code: 0, err: "" });
    expect(latest("report.html")).toMatch(/^<!doctype html>/i);
    expect(faultline(["replay"]).out).toMatch(/^IDENTICAL/);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s says how to judge what there is", async (signal, status) => {
    const { ended, kill } = await running(20_000);
    kill(signal);
    const { code, err } = await ended;
    expect(code).toBe(status);
    const command = /interrupted; npx faultline (check \S+)/.exec(err)?.[1] as string;
    expect([0, 2]).toContain(faultline(command.split(" ")).code);
  });
});

describe("a failure", () => {
  it("found by a sweep is repeated by the line it prints, and judged the same again", () => {
    const { code, out } = faultline([
      ...["sweep", "--bug", "quorum-half", "--seeds", "40", "-d", "30s", "--shrink-budget", "0"],
    ]);
    expect(code).toBe(1);
    expect(out).toMatch(/^INVALID/m);
    const line = /repeat: npx faultline (run .*--bug quorum-half .*--seed \d+ .*)/.exec(out)?.[1] as string;
    const found = [latest("history.jsonl"), latest("result.json")];
    expect(faultline([...line.split(" "), "--shrink-budget", "0"]).code).toBe(1);
    expect([latest("history.jsonl"), latest("result.json")]).toEqual(found);
    expect(faultline(["check", "store/latest"])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^INVALID/m),
    });
    expect(faultline(["replay", ...line.split(" ").slice(1)])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^IDENTICAL/),
    });
  });

  it("is shrunk by the run that finds it, to a plan that repeats it", () => {
    const { code, out } = faultline(["run", "--bug", "quorum-half", "-s", "5", "-d", "20s"]);
    expect(code).toBe(1);
    const [, nodes, faults, operations] =
      /^Shrunk to (\d+) nodes, (\d+) faults, (\d+) operations in/m.exec(out) ?? [];
    expect(Number(nodes)).toBeLessThanOrEqual(3);
    expect(Number(faults) + Number(operations)).toBeLessThanOrEqual(10);
    const small = [latest("history.jsonl"), latest("result.json")];
    const line = /Shrunk[\s\S]*repeat: npx faultline (run -c \S+)/.exec(out)?.[1] as string;
    expect(faultline(line.split(" ")).code).toBe(1);
    expect([latest("history.jsonl"), latest("result.json")]).toEqual(small);
  });

  it("is what a hunt for a planted bug ends with", () => {
    const { code, out } = faultline(["hunt", "txn-sees-own-puts", "--shrink-budget", "5"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^seed \d+, found by bank/m);
    expect(out).toMatch(/^Shrunk to 3 nodes, /m);
    expect(faultline(["hunt", "txn-sees-own-put"])).toMatchObject({
      code: 254,
      err: expect.stringMatching(/did you mean txn-sees-own-puts\?/),
    });
  });

  it("of every planted bug is counted in the zoo", () => {
    const file = join(home, "zoo.json");
    const page = join(home, "zoo.html");
    const few = ["--starts", "2", "--shrink-budget", "0", "--control", "1", "--json", file, "--page", page];
    expect(
      faultline(["zoo", "txn-sees-own-puts", "lock-skips-queue", ...few, "--require", "100"]),
    ).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^2 of 2 bugs found by most starts \(2 by all\), 2 of them by what clients saw/m,
      ),
    });
    const { rows, controls } = JSON.parse(readFileSync(file, "utf8"));
    expect(controls.map((control: { name: string; workload: string }) => control.workload)).toEqual([
      "bank",
      "lock",
    ]);
    expect(readFileSync(page, "utf8")).toContain("2 controls without a bug raised no false alarm");
    expect(rows).toMatchObject([
      { bug: "txn-sees-own-puts", starts: 2, found: 2, seen: 2, checkers: expect.arrayContaining(["bank"]) },
      { bug: "lock-skips-queue", starts: 2, found: 2, seen: 2 },
    ]);
    const broken = (...flags: string[]) => faultline(["zoo", "txn-sees-own-puts", ...flags]);
    expect(broken("--json", join(home, "no", "such"))).toMatchObject({
      code: 254,
      err: expect.stringMatching(/--json: .* cannot be written: ENOENT/),
      out: "",
    });
    expect(broken("--require", "101")).toMatchObject({
      code: 254,
      err: expect.stringMatching(/--require: 101 is more than 100 %/),
      out: "",
    });
    // Only an invariant sees it, so no start can see it with its eyes closed.
    expect(
      faultline([
        "zoo",
        "ack-before-fsync",
        "--starts",
        "1",
        "--limit",
        "1",
        "--shrink-budget",
        "0",
        "--control",
        "0",
      ]).out,
    ).toMatch(/, 0 of them by what clients saw/);
  });

  it("is no longer hunted by anybody once the zoo was killed", async () => {
    const zoo = spawn(process.execPath, [main, "zoo", "ack-before-fsync", "--limit", "600"], { cwd: home });
    const children = (): string[] =>
      readFileSync(`/proc/${zoo.pid}/task/${zoo.pid}/children`, "utf8").split(" ").filter(Boolean);
    while (children().length === 0) await delay(20);
    const hunters = children();
    const ended = new Promise((resolve) => zoo.once("close", resolve));
    zoo.kill("SIGKILL");
    await ended;
    // One that ended and was not waited for yet has no command line any more.
    const alive = (pid: string): boolean =>
      existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
    while (hunters.some(alive)) await delay(20);
    expect(hunters).not.toEqual([]);
  });

  it("is the only thing that can be shrunk", () => {
    faultline(["run", "-s", "1", "-d", "5s", "-f", "none"]);
    expect(faultline(["shrink"])).toMatchObject({
      code: 254,
      err: expect.stringMatching(/breaks no promise: there is nothing to shrink/),
    });
  });
});

it("sweeps clean seeds and says how many there were", () => {
  expect(
    faultline(["sweep", "--seeds", "6", "-d", "20s", "-f", "kill", "--fault-interval", "3s"]),
  ).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^6 seeds: 6 valid, 0 invalid, 0 unknown/),
  });
  expect(existsSync(join(home, "store"))).toBe(false);
});

describe("a check", () => {
  it("takes a run, and a journal alone if told what was promised", () => {
    faultline(clean);
    writeFileSync(join(home, "copy.jsonl"), latest("history.jsonl"));
    expect(faultline(["check", "store/latest"]).code).toBe(0);
    expect(faultline(["check", "copy.jsonl", "-w", "register"]).code).toBe(0);
  });

  it("sees that a read was made up", () => {
    const op = (index: number, type: string, f: string, value: unknown): string =>
      `${JSON.stringify({ index, time: index, process: 0, type, f, value, key: "x" })}\n`;
    const made = [
      op(0, "invoke", "write", 1),
      op(1, "ok", "write", { revision: 2 }),
      op(2, "invoke", "read", null),
      op(3, "ok", "read", { value: 7, revision: 2, modRevision: 2 }),
    ];
    writeFileSync(join(home, "made-up.jsonl"), made.join(""));
    expect(faultline(["check", "made-up.jsonl", "-w", "register"]).code).toBe(1);
  });

  it("takes what Jepsen recorded, guesses the model and says so", () => {
    const op = (type: string, f: string, value: string) =>
      `{:process 0, :type :${type}, :f :${f}, :value ${value}}`;
    const stale = [
      op("invoke", "write", "1"),
      op("ok", "write", "1"),
      op("invoke", "read", "nil"),
      op("ok", "read", "2"),
    ];
    mkdirSync(join(home, "test"));
    writeFileSync(join(home, "test/history.edn"), `[${stale.join("\n")}]`);
    const { code, out } = faultline(["check", "test"]);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^test\/history\.edn: EDN operations, 2 operations; model register, as its functions are write, read\n/,
    );
    expect(out).toMatch(/^INVALID +linearizable: [\s\S]* {2}value never written: /m);
    const json = faultline(["check", "test", "--model", "cas-register", "--json"]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      validity: "invalid",
      verdicts: [{ checker: "linearizable" }],
    });
    // With what is read there from the beginning, nothing but the write is wrong with it.
    writeFileSync(join(home, "test/history.edn"), stale.slice(2).join("\n"));
    expect(faultline(["check", "test", "-m", "register"]).code).toBe(1);
    expect(faultline(["check", "test", "-m", "register", "--init", "2"]).code).toBe(0);
  });

  it("reads a journal with a torn end, and says so", () => {
    faultline(clean);
    writeFileSync(join(home, "torn.jsonl"), latest("history.jsonl").slice(0, -5));
    const { code, out } = faultline(["check", "torn.jsonl", "-w", "register"]);
    expect(out).toMatch(/ends in the middle of a line/);
    expect([0, 2]).toContain(code);
  });
});

it("exports what reads back the same, by us and as Jepsen has it", () => {
  faultline(["run", "-w", "set", "-f", "none", "-d", "5s", "-s", "1"]);
  expect(faultline(["export", "--format", "jsonl"]).out).toBe(latest("history.jsonl"));
  expect(faultline(["export", "-o", "history.edn"])).toEqual({ code: 0, out: "", err: "" });
  expect(readFileSync(join(home, "history.edn"), "utf8")).toMatch(
    /^\{:index 0, :time \d+, :type :invoke, :process \d/,
  );
  expect(faultline(["check", "history.edn", "--model", "set"]).code).toBe(0);
});

/** The first word of every line that `list` prints. */
function names(kind: string): string[] {
  const { stdout } = spawnSync(process.execPath, [main, "list", kind], { encoding: "utf8" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[0] as string);
}

describe("the same seed", () => {
  const workloads = names("workloads");
  it.each(workloads)("gives the same bytes of %s in two processes with different heaps", (name) => {
    for (const seed of ["1", "2", "3"]) {
      const [small, large] = ["64", "512"].map((heap) => {
        faultline(["run", "-w", name, "--swarm", "-d", "10s", "-s", seed], [`--max-old-space-size=${heap}`]);
        return ["history.jsonl", "trace.jsonl", "messages.jsonl", "result.json"].map(latest);
      });
      // Compared as a whole: a difference of megabytes is nothing to print.
      expect({ seed, same: small?.join() === large?.join() }).toEqual({ seed, same: true });
    }
  });
});

it.each(["workloads", "faults", "checkers", "models", "systems", "places", "bugs"])(
  "lists %s, one a line, name first",
  (kind) => {
    const { code, out } = faultline(["list", kind]);
    expect(code).toBe(0);
    for (const line of out.trim().split("\n")) expect(line).toMatch(/^[a-z][a-z0-9-]* {2,}\S/);
    expect(new Set(names(kind)).size).toBe(names(kind).length);
  },
);

describe("a mistake", () => {
  it.each([
    [["rnu"], /unknown command 'rnu'; did you mean run\?/],
    [["run", "--bogus"], /unknown option '--bogus'/],
    [["run", "--nodse", "3"], /did you mean --nodes\?/],
    [["run", "-n"], /'-n, --nodes <count>' argument missing/],
    [["run", "extra"], /too many arguments/],
    [["check"], /missing required argument 'file'/],
    [["list", "nonsense"], /Allowed choices are workloads/],
    [["run", "-w", "regster"], /workload regster is unknown; did you mean register\?/],
    [["run", "-f", "kil"], /fault kil is unknown; did you mean kill\?/],
    [["run", "-f", "kill,"], /--faults: kill, lacks a name/],
    [["run", "-f", "kill,kill"], /fault kill is named twice/],
    [["run", "-f", "partition", "-n", "1"], /needs at least 2 nodes, the plan has 1/],
    [["run", "-f", "reorder"], /fault reorder cannot bite.*raftkv\.peerTransport=datagram/],
    [["run", "-f", "duplicate"], /fault duplicate cannot bite.*raftkv\.peerTransport=datagram/],
    [["run", "--target", "n9"], /target n9 is unknown; there are one, /],
    [["run", "--bug", "quorm-half"], /did you mean quorum-half\?/],
    [["run", "--system", "mysql"], /system mysql is unknown/],
    [["run", "--place", "moon"], /place moon is unknown/],
    [["run", "-n", "0"], /nodes: 0 is too small; it must be at least 1/],
    [["run", "-d", "soon"], /--duration: soon is not a time; write 250ms, 60s, 5m or 1h/],
    [["run", "-s", "x"], /--seed: x is not a number/],
    [["run", "-s", "-1"], /seed: -1 is too small/],
    [["run", "--set", "nonsense"], /--set: nonsense has no value; write path=value/],
    [["run", "--set", "raftkv.tickMs=[1"], /--set raftkv\.tickMs: \[1 is not a value/],
    [["run", "--set", "raftkv.prevote=false"], /there is no "prevote"; did you mean preVote\?/],
    [["run", "--set", "raftkv.heartbeatTicks=10"], /must be less than raftkv\.electionTicks/],
    [["run", "--set", "workloadOptions.kesy=1"], /workload register: .*"kesy"; did you mean keys\?/],
    [["run", "-c", "torn.yaml"], /torn\.yaml: neither YAML nor JSON: .*line 1/],
    [["run", "-c", "torn.json"], /torn\.json: neither YAML nor JSON/],
    [["run", "-c", "binary"], /binary: /],
    [["run", "-c", "empty"], /empty: a plan is a map of settings/],
    [["run", "-c", "missing"], /missing: cannot be read: ENOENT/],
    [["run", "-c", "wrong.yaml"], /nodes: "many" is not a number; .*"falts"; did you mean faults\?/],
    [["run", "--store", "diary"], /diary: cannot be written .*--store/],
    [["run", "--store", "/proc/faultline"], /\/proc\/faultline: cannot be written/],
    [["sweep", "--store", "diary"], /diary: cannot be written/],
    [["sweep", "--seed", "3"], /--seed: a sweep chooses its seeds; use --first and --seeds/],
    [["sweep", "--seeds", "0"], /--seeds: 0 is not a whole number of at least 1/],
    [["sweep", "-n", "1", "-f", "kill,partition"], /fault partition needs at least 2 nodes/],
    [["check", "diary"], /diary:1: not a history: expected a journal/],
    [
      ["check", "log.jsonl", "-w", "register"],
      /log\.jsonl:1: the type of an operation is invoke, ok, fail or info/,
    ],
    [["check", "empty"], /empty:1: not a history/],
    [["check", "binary"], /binary:1: not a history/],
    [["check", "."], /\.: not a run directory: it has no history\.jsonl or history\.edn/],
    [["check", "nothing"], /nothing: no such file/],
    [["check", "torn.edn"], /torn\.edn:2: \{ is never closed/],
    [
      ["check", "early.edn"],
      /early\.edn:2: event 1 \(process 0, ok write\): completes event 0, which invoked read/,
    ],
    [["check", "early.edn", "-m", "regster"], /model regster is unknown; did you mean register\?/],
    [["check", "early.edn", "-m", "mutex", "--init", "{"], /--init: \{ is not JSON/],
    [["check", "early.edn", "--consistency", "serialisable"], /did you mean serializable\?/],
    [["check", "early.edn", "--init", "0"], /--init: say of which model, with --model/],
    [["check", "early.edn", "-m", "mutex", "-w", "set"], /--model: the workload's checkers judge already/],
    [["check", "strange.edn"], /strange\.edn: no model has the functions dance; say what it is held against/],
    [
      ["check", "strange.edn", "-m", "mutex"],
      /strange\.edn: model mutex has no function dance; it has acquire, release/,
    ],
    [["export", "diary"], /diary:1: not a history/],
    [["export"], /store\/latest: no such file/],
    [["export", "early.edn", "--format", "xml"], /Allowed choices are edn, jsonl/],
    [["report", "diary"], /diary: not a run directory/],
    [["report"], /store\/latest: no such run/],
    [["replay", "nothing"], /nothing: no such run/],
    [["replay", "nothing", "-s", "3"], /leave the other flags out/],
  ])("%j is one clear line, and nothing is written", (words, message) => {
    const files = {
      binary: Buffer.from([0, 159, 146, 150, 255, 10, 125, 0, 1]),
      diary: "dear diary\n",
      "early.edn": "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :write}\n",
      empty: "",
      "log.jsonl": '{"ts":1,"level":"info"}\n',
      "strange.edn": "{:process 0, :type :invoke, :f :dance}\n",
      "torn.edn": "{:process 0, :type :invoke, :f :read}\n{:process 0, :type",
      "torn.json": '{"workload": "register",',
      "torn.yaml": "workload: [register",
      "wrong.yaml": "nodes: many\nfalts: [kill]\n",
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(home, name), content);
    const { code, out, err } = faultline(words);
    expect(err).toMatch(message);
    expect(err).toMatch(/^faultline: [^\n]+\n$/);
    expect({ code, out }).toEqual({ code: 254, out: "" });
    expect(readdirSync(home).sort()).toEqual(Object.keys(files));
    for (const [name, content] of Object.entries(files))
      expect(readFileSync(join(home, name)).equals(Buffer.from(content))).toBe(true);
  });
});

it("outlives a reader that has seen enough", () => {
  const words = [process.execPath, main, ...clean].map((word) => `'${word}'`).join(" ");
  const { stdout, stderr } = spawnSync("bash", ["-c", `${words} | true; echo \${PIPESTATUS[0]}`], {
    cwd: home,
    encoding: "utf8",
  });
  expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
  expect(existsSync(path("report.html"))).toBe(true);
});
