/** Places of real members, each with every system: what faults do there, and what is left of a run. */
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ability, Clocks, Processes } from "../../src/cluster.ts";
import type { Place, Stage } from "../../src/place.ts";
import { type PlanInput, parsePlan, UsageError } from "../../src/plan.ts";
import { assemble } from "../../src/registry.ts";
import { run } from "../../src/runner/run.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import type { KvApi } from "../api.ts";
import { dockerPlace, lacksDocker } from "../docker/place.ts";
import { program } from "../installation.ts";
import { processPlace } from "../processes/place.ts";
import { inspect } from "../server/inspect.ts";
import { systems } from "../systems/index.ts";
import { isKept } from "./mark.ts";
import { machineWithoutRuns, tracesOf, wallClock } from "./testdata/traces.ts";

const home = fs.mkdtempSync(join(tmpdir(), "faultline-place-"));
afterAll(() => fs.rmSync(home, { recursive: true }));

const all = [processPlace(systems), dockerPlace(systems)];
const withoutDocker = lacksDocker();
if (withoutDocker !== undefined) console.warn(`SKIPPED: place docker, because ${withoutDocker}`);
const places = all.filter(({ name }) => name !== "docker" || withoutDocker === undefined);
// One that is left out is counted as skipped.
it.skipIf(withoutDocker !== undefined)("place docker can be tested", () => expect(places).toHaveLength(2));

/** What not every machine has for its members. */
const ABILITIES: readonly Ability[] = ["links", "clocks"];
const base: PlanInput = { nodes: 3, faults: [], seed: 1 };
const combinations = places.flatMap((place) => systems.map((system) => ({ place, system: system.name })));

describe.each(combinations)("$system at place $place.name", { timeout: 120_000 }, ({ place, system }) => {
  const logs = join(home, `${place.name}-${system}`);
  const links = place.lacks?.("links");
  const clocks = place.lacks?.("clocks");
  let stage: Stage<KvApi>;
  let processes: Processes;

  beforeAll(async () => {
    const plan = parsePlan({ ...base, place: place.name, system });
    expect([...place.abilities(plan)]).toContain("processes");
    stage = await place.boot(plan, { messages: false, remains: logs });
    processes = stage.cluster.can.processes as Processes;
  }, 180_000);
  afterAll(async () => stage?.close(false));

  const put = async (node: string, key: string, value: string) => {
    const api = stage.cluster.api(node);
    try {
      return await api.request({ kind: "put", key, value });
    } finally {
      api.close();
    }
  };
  const read = async (node: string, key: string) => {
    const api = stage.cluster.api(node);
    try {
      return (await api.request({ kind: "range", key, serializable: true })).kvs[0]?.value;
    } finally {
      api.close();
    }
  };
  const timer = (delay: number) => new Promise<void>((resolve) => stage.runtime.timer(delay, resolve));

  it("serves through every member, and one of them leads", async () => {
    for (const node of stage.cluster.nodes) await put(node, node, "served");
    expect(await stage.cluster.leaders()).toHaveLength(1);
  });

  it("keeps its data when all its members are killed", async () => {
    await put("n1", "kept", "through SIGKILL");
    for (const node of stage.cluster.nodes) {
      expect(await processes.kill(node)).toMatchObject({ signal: "SIGKILL" });
      expect(processes.state(node)).toBe("dead");
    }
    await expect(put("n1", "kept", "by nobody")).rejects.toMatchObject({ definite: true });
    for (const node of stage.cluster.nodes) await processes.start(node);
    await stage.cluster.ready(stage.cluster.nodes);
    expect(await read("n1", "kept")).toBe("through SIGKILL");
    expect(stage.observed().nodeEnds).toEqual([]);
  });

  it("does nothing while it is frozen, and goes on when it is thawed", async () => {
    expect(await processes.pause("n2")).toMatchObject({ stopped: true });
    expect(processes.state("n2")).toBe("paused");
    const ready = stage.cluster.ready(["n2"]).then(() => "ready");
    expect(await Promise.race([ready, timer(SECOND).then(() => "frozen")])).toBe("frozen");
    await processes.resume("n2");
    expect(await ready).toBe("ready");
  });

  it("ends when it is asked to", async () => {
    expect(await processes.stop("n3")).toMatchObject({ signal: "SIGTERM" });
    await processes.start("n3");
    await stage.cluster.ready(["n3"]);
  });

  it("takes a member out and a new one in", async () => {
    const members = stage.cluster.can.members;
    if (members === undefined) throw new Error("membership is an ability of this system");
    await put("n1", "before", "n3 was new");
    // The cluster may refuse as long as it does not feel well, as after a restart of one of its members.
    const agreed = async (change: () => Promise<unknown>): Promise<void> => {
      for (let refused = true; refused; ) {
        refused = await change().then(
          () => false,
          () => true,
        );
        if (refused) await timer(SECOND);
      }
    };
    await agreed(() => members.remove("n3"));
    expect((await members.list()).voters).not.toContain("n3");
    await agreed(() => members.add("n3", true));
    await stage.cluster.ready(["n3"]);
    expect((await members.list()).voters).toContain("n3");
    expect(await read("n3", "before")).toBe("n3 was new");
  });

  it.skipIf(links !== undefined)("is alone while its links are cut, and not after", async () => {
    const [leader = "n1"] = await stage.cluster.leaders();
    const others = stage.cluster.nodes.filter((node) => node !== leader);
    const pairs = others.flatMap((other) => [[leader, other] as const, [other, leader] as const]);
    const cut = await stage.cluster.can.links?.spoil(pairs, { cut: true });
    await stage.cluster.ready(others);
    await expect(put(leader, "alone", "written by a minority")).rejects.toMatchObject({ definite: false });
    await put(others[0] as string, "alone", "written by a majority");
    expect((await cut?.heal())?.dropped).toBeGreaterThan(0);
    await stage.cluster.ready(stage.cluster.nodes);
    while ((await read(leader, "alone")) !== "written by a majority") await timer(100 * MILLISECOND);
  });

  it.skipIf(clocks !== undefined)("has a clock of its own, in all its lives", async () => {
    const moving = stage.cluster.can.clocks as Clocks;
    const { pid } = (await processes.start("n1")) as { readonly pid: number };
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1");
    const url = /http:\/\/[\d.]+:2379/.exec(words)?.[0];
    const ahead = async () => {
      const answer = await fetch(`${url}/version`);
      return Date.parse(answer.headers.get("date") as string) - Date.now();
    };
    // A server may say for a second what time it was.
    const moved = async (by: number) => {
      while (Math.abs((await ahead()) - by) > 60_000) await timer(50 * MILLISECOND);
    };
    await moving.jump("n1", 3_600 * SECOND);
    await moved(3_600_000);
    await processes.kill("n1");
    await processes.start("n1");
    await stage.cluster.ready(["n1"]);
    await moved(3_600_000);
    expect(await moving.offset("n1")).toBe(3_600 * SECOND);
    await moving.reset("n1");
    await moved(0);
  });

  it("starts a core that has to recover, which faults leave in peace until it has", async () => {
    for (const node of stage.cluster.nodes) await processes.kill(node);
    const { recovery } = stage.cluster.can;
    const { core } = (await recovery?.healCore()) ?? { core: [] };
    expect(core).toHaveLength(2);
    await stage.cluster.ready(core);
    expect(await processes.kill(core[0] as string)).toMatch(/spared/);
    await recovery?.releaseCore();
    for (const node of stage.cluster.nodes) await processes.start(node);
    await stage.cluster.ready(stage.cluster.nodes);
  });

  it("tells a member that ended by itself from one that was made to", async () => {
    const { pid } = (await processes.start("n2")) as { readonly pid: number };
    process.kill(pid, "SIGKILL");
    while (processes.state("n2") !== "dead") await timer(10 * MILLISECOND);
    // A member that was removed may have ended itself, which is no crash.
    const crashes = stage.observed().nodeEnds.filter(({ kind }) => kind === "crash");
    expect(crashes).toMatchObject([{ node: "n2" }]);
  });

  it("has kept what its members logged, of all their lives", () => {
    for (const node of stage.cluster.nodes)
      expect(fs.readFileSync(join(logs, `${node}.log`), "utf8").split("\n").length).toBeGreaterThan(10);
    expect(stage.observed().verdicts).toMatchObject([{ checker: "logs", validity: "valid" }]);
  });
});

const missing = places
  .flatMap((place) => ABILITIES.map((ability) => place.lacks?.(ability)))
  .filter((reason) => reason !== undefined);
if (missing.length > 0) console.warn(`SKIPPED: faults of links or clocks, because ${missing.join("; ")}`);

describe.each(combinations)("a whole run of $system at place $place.name", ({ place, system }) => {
  // What differs between places is the same for all workloads.
  const played = place.name === "processes" ? ["register", "watch", "lock", "kv"] : ["register", "lock"];

  it.each(played)("of %s holds under faults that bite", async (workload) => {
    const plan = parsePlan({
      ...base,
      place: place.name,
      system,
      workload,
      faults: missing.length > 0 ? ["kill", "pause"] : ["kill", "pause", "partition", "loss", "clock"],
      faultInterval: 2,
      duration: 8,
    });
    const { result } = await run(assemble(plan), { record: () => {}, messages: false });
    expect(result.nodeEnds).toEqual([]);
    const broken = result.verdicts.filter(({ validity }) => validity !== "valid");
    // etcd 3.4 has bugs of its own, which this finds more often than not: in watches (etcd-io/etcd#15220, #18089,
    // #20221), and in transactions that fail, after which members count revisions differently (#18667).
    const known = system === "etcd" ? ["watch", "etcd"] : [];
    expect(broken.filter(({ checker }) => !known.includes(checker))).toEqual([]);
    expect(result.faults.reduce((sum, { bites }) => sum + bites, 0)).toBeGreaterThan(0);
  });
});

it("members have networks of their own without root, where users may make namespaces", () => {
  const words = [
    "run",
    "--place",
    "processes",
    "-w",
    "register",
    "-f",
    "partition",
    "--fault-interval",
    "1s",
  ];
  const main = [process.execPath, program("src/cli/main"), ...words, "-n", "3", "-d", "5s"].join(" ");
  const own = ["-Urnm", "--map-root-user", "sh", "-c"];
  const script = `mount -t tmpfs run /run && ip link set lo up && exec ${main}`;
  const { status, stdout, stderr } = spawnSync("unshare", [...own, script], { cwd: home, encoding: "utf8" });
  expect({ status, stderr, stdout }).toMatchObject({ status: 0 });
  expect(stdout).toMatch(/faults: partition x\d/);
});

describe.each(places)("what a run at place $name cannot have", ({ name }) => {
  it.each<[PlanInput, RegExp]>([
    [
      { faults: ["disk-full"] },
      /fault disk-full needs disks, .* it has what these need: .*kill, stop, pause/,
    ],
    [{ faults: ["delay"] }, /fault delay needs .*packets/],
    [{ faults: ["power"] }, /needs power/],
    [{ network: { loss: 0.1 } }, /network\.loss describes simulated machines/],
    [{ bug: "timeout-is-fail" }, /simulator's client/],
    [{ system: "etcd", bug: "vote-twice" }, /planted in raftkv/],
    [{ system: "etcd", etcd: { binary: "/no/such/etcd" } }, /etcd\.binary: \/no\/such\/etcd cannot be run/],
    [{ system: "etcd", etcd: { binary: "true" } }, /no etcd/],
    [{ raftkv: { peerTransport: "datagram" } }, /peerTransport/],
  ])("is refused before anything starts: %o", (input, message) => {
    const attempt = () => assemble(parsePlan({ ...base, place: name, ...input }));
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
  });
});

it.each(places)("a planted bug is found at place $name", async ({ name }) => {
  const plan = parsePlan({ ...base, place: name, workload: "bank", bug: "txn-sees-own-puts", duration: 10 });
  const remains = join(home, `found-${name}`);
  const { result } = await run(assemble(plan), { record: () => {}, messages: false, remains });
  const found = result.verdicts.filter(({ validity }) => validity === "invalid");
  expect(found.map(({ checker }) => checker)).toContain("bank");
  // What is left can be looked into.
  expect(inspect(join(remains, "n1"))).toMatchObject({ damage: undefined });
});

/** The mark of the run whose tester this is: its reaper was given it. */
function markOf(tester: number): string | undefined {
  const children = spawnSync("pgrep", ["-P", String(tester), "-a"], { encoding: "utf8" }).stdout;
  return /\/reaper\.js (\w+) /.exec(children)?.[1];
}

describe.each(places)("nothing is left behind at place $name", ({ name }) => {
  const words = ["run", "--place", name, "-w", "register", "-f", "pause,partition", "--fault-interval", "1s"];
  const sizes = ["-n", "3", "-d", "60s"];
  let before: string;
  let clock: number;

  beforeAll(() => {
    before = machineWithoutRuns();
    clock = wallClock();
  });
  afterAll(() => {
    expect(machineWithoutRuns()).toBe(before);
    expect(Math.abs(wallClock() - clock)).toBeLessThan(1_000);
  });

  async function tester() {
    const child = spawn(process.execPath, [program("src/cli/main"), ...words, ...sizes], {
      cwd: home,
      stdio: "ignore",
    });
    let mark: string | undefined;
    while (mark === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      mark = markOf(child.pid as number);
    }
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const reaped = async (): Promise<void> => {
      while (isKept(mark)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    return { child, mark, ended, reaped };
  }

  // Before the members are started, while they are, and with some of them frozen and cut off.
  it.each([0, 100, 400, 1000, 1500, 2000, 3000, 8000])(
    "by a tester that is killed %d ms after it has a reaper",
    async (delay) => {
      const { child, mark, ended, reaped } = await tester();
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill("SIGKILL");
      await ended;
      await reaped();
      expect(tracesOf(mark)).toEqual([]);
    },
  );

  it("by one that is told to end", async () => {
    const { child, mark, ended, reaped } = await tester();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    child.kill("SIGTERM");
    expect(await ended).toBe(143);
    await reaped();
    expect(tracesOf(mark)).toEqual([]);
  });

  it("of a cluster beside another, which is not disturbed", async () => {
    const place = places.find((each) => each.name === name) as Place<KvApi>;
    const plan = parsePlan({ ...base, place: name, nodes: 1 });
    const watch = (directory: string) => ({ messages: false, remains: join(home, name + directory) });
    const [one, two] = await Promise.all([place.boot(plan, watch("one")), place.boot(plan, watch("two"))]);
    await two.close(false);
    const api = one.cluster.api("n1");
    await api.request({ kind: "put", key: "still", value: "here" });
    api.close();
    await one.close(false);
  });
});
