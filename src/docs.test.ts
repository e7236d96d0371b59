/** README and docs/ against the code: every name, field, default, link and example in them exists, and nothing is left out. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { guess, specifications } from "../checkers/catalogue.ts";
import { anomalyKinds } from "../checkers/transactions/anomalies.ts";
import { models } from "../checkers/transactions/models.ts";
import { equivalentMutants, plantedBugs } from "../cluster/bugs.ts";
import { settings } from "../cluster/server/settings.ts";
import { runTally } from "../examples/run-tally.ts";
import { faults } from "../nemesis/index.ts";
import { targets } from "../nemesis/targets.ts";
import { workloads } from "../workloads/index.ts";
import { Budget } from "./checker.ts";
import { planFlags } from "./cli/plan-options.ts";
import { History } from "./history/history.ts";
import type { Op } from "./history/op.ts";
import { Plan, type PlanInput, parsePlan, withSetting } from "./plan.ts";
import { assemble, listCheckers, lookUp } from "./registry.ts";
import { run } from "./runner/run.ts";
import { survivable } from "./runner/swarm.ts";
import { scenarios } from "./scenarios/index.ts";
import type { FormName } from "./scenarios/scenario.ts";
import { cellsOf, Matrix, parseSuite, Suite } from "./suite/suite.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  "README.md",
  "ARCHITECTURE.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Rows of all tables whose first column is called `head`, as cells; code marks are taken off the first. */
function rows(text: string, head: string): string[][] {
  const found: string[][] = [];
  let inside = false;
  for (const line of text.split("\n")) {
    if (!line.startsWith("|")) {
      inside = false;
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim());
    if (cells[0] === head) inside = true;
    else if (inside && !/^-+$/.test(cells[0] as string))
      found.push([(cells[0] as string).replaceAll("`", ""), ...cells.slice(1)]);
  }
  return found;
}

/** The part of a page under a heading of level two. */
function section(text: string, title: string): string {
  const start = text.indexOf(`\n## ${title}\n`);
  expect(start, `heading ${title}`).toBeGreaterThan(0);
  const end = text.indexOf("\n## ", start + 1);
  return text.slice(start, end < 0 ? undefined : end);
}

const headings = (text: string): string[] =>
  [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title as string);

function blocks(text: string, info: RegExp): { readonly info: string; readonly body: string }[] {
  return [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)]
    .map(([, name, body]) => ({ info: name as string, body: body as string }))
    .filter((block) => info.test(block.info));
}

const names = (items: readonly { readonly name: string }[]): string[] => items.map(({ name }) => name);
const firsts = (table: readonly (readonly string[])[]): string[] => table.map((row) => row[0] as string);

describe.each(pages)("%s", (page) => {
  const text = read(page);

  it("has no dead link", () => {
    const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target as string)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path, anchor] = target.split("#") as [string, string | undefined];
        const file = path === "" ? page : join(dirname(page), path);
        if (!existsSync(join(root, file))) return true;
        if (anchor === undefined) return false;
        const anchors = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
          (title as string)
            .toLowerCase()
            .replace(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
        );
        return !anchors.includes(anchor);
      });
    expect(dead).toEqual([]);
  });

  it("names only files that exist", () => {
    const missing = [
      ...text.matchAll(
        /`((?:src|workloads|nemesis|checkers|cluster|reports|bench|docs|examples)\/[\w./-]*)`/g,
      ),
    ]
      .map(([, path]) => path as string)
      .filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  it("has examples that are files of this repository", () => {
    for (const { info, body } of blocks(text, /^ts\b/)) expect(read(info.slice(3))).toBe(body);
  });
});

describe("docs/scenarios.md", () => {
  const text = read("docs/scenarios.md");

  it("has every scenario, and no other", () => {
    expect(headings(text)).toEqual(names(scenarios));
  });

  it.each(scenarios)("tells of $name what the library does", (scenario) => {
    const { name, summary, guarantee, story, symptom, remedy, plan, broken, right } = scenario;
    const shown = broken.failures.map(({ checker, anomaly }) => `\`${checker}\`, ${anomaly}`).join("; or ");
    const flags = (settings: PlanInput) => `\`${planFlags(settings)}\``;
    const only = (form: FormName) => {
      const { settings } = scenario[form];
      let special: Record<string, unknown> = {};
      for (const [path, value] of Object.entries(settings)) special = withSetting(special, path, value);
      return Object.keys(special).length === 0 ? "" : `: ${flags(special)}`;
    };
    expect(section(text, name).trim()).toBe(
      [
        `## ${name}`,
        `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
        `*Breaks*: ${guarantee}.`,
        story,
        `*How it shows.* ${symptom} In the report: ${shown}.`,
        `*What prevents it.* ${remedy}`,
        `- Both forms: ${flags(plan)}\n- Broken, ${broken.way}${only("broken")}\n- Right, ${right.way}${only("right")}`,
        `\`\`\`sh\nnpx faultline repro ${name}\n\`\`\``,
      ].join("\n\n"),
    );
  });
});

describe("docs/suites.md", () => {
  const text = read("docs/suites.md");

  it("has every field of a suite and of a matrix", () => {
    expect(firsts(rows(text, "Field"))).toEqual([...Object.keys(Suite.shape), ...Object.keys(Matrix.shape)]);
  });

  it("has an example that is one", () => {
    for (const { body } of blocks(text, /^yaml suite$/)) {
      const cells = cellsOf(parseSuite(parseYaml(body), "example"), () => {});
      expect(cells).toHaveLength(10);
    }
  });
});

describe("docs/plans.md", () => {
  const text = read("docs/plans.md");
  const fields = new Map(rows(text, "Field").map((row) => [row[0] as string, row]));

  interface Schema {
    readonly type?: string;
    readonly properties?: { readonly [field: string]: Schema };
    readonly default?: unknown;
    readonly const?: unknown;
    readonly minimum?: number;
    readonly maximum?: number;
    readonly exclusiveMinimum?: number;
    readonly enum?: readonly string[];
  }
  const leaves: [string, Schema][] = [];
  const collect = (schema: Schema, prefix: string): void => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (field.properties === undefined) leaves.push([prefix + name, field]);
      else collect(field, `${prefix}${name}.`);
    }
  };
  collect(z.toJSONSchema(Plan, { io: "input" }) as Schema, "");

  it("has every field of a plan, and no other", () => {
    expect([...fields.keys()].sort()).toEqual(leaves.map(([name]) => name).sort());
  });

  it.each(leaves)("gives bounds and default of %s", (name, schema) => {
    const [, type, bounds, fallback] = fields.get(name) as string[];
    const shown = (fallback as string).replaceAll("`", "");
    if (schema.default === undefined) expect(shown).toBe("");
    else expect([String(schema.default), JSON.stringify(schema.default)]).toContain(shown);
    if (schema.const !== undefined) expect(bounds).toBe(String(schema.const));
    else if (schema.type === "integer" || schema.type === "number") {
      expect(type).toMatch(new RegExp(`^${schema.type}`));
      const { minimum, exclusiveMinimum } = schema;
      // Integers have a bound of their own, which nobody needs to be told.
      const maximum =
        schema.maximum === Number.MAX_SAFE_INTEGER && !/seed|budget/.test(name) ? undefined : schema.maximum;
      const expected =
        exclusiveMinimum !== undefined
          ? `more than ${exclusiveMinimum}, at most ${maximum}`
          : maximum === undefined
            ? `at least ${minimum}`
            : `${minimum} to ${maximum}`;
      expect(bounds).toBe(expected);
    }
    for (const choice of schema.enum ?? []) expect(type).toContain(`\`${choice}\``);
  });

  it("has plans that are plans", () => {
    const plans = blocks(text, /^yaml plan$/);
    expect(plans.length).toBeGreaterThan(0);
    for (const { body } of plans) assemble(parsePlan(parseYaml(body)));
  });
});

describe("docs/workloads.md", () => {
  const text = read("docs/workloads.md");

  it("has every workload, and no other", () => {
    expect(headings(text)).toEqual(names(workloads));
  });

  it.each(workloads)("tells of $name its functions, options and checkers", async ({ name }) => {
    const part = section(text, name);
    const options = rows(part, "Option");
    const workloadOptions = Object.fromEntries(
      options.map(([option, value]) => [option, JSON.parse((value as string).replaceAll("`", ""))]),
    );
    // Told once more what it does anyway, a run does the same: the defaults are true.
    const plan = parsePlan({ workload: name, faults: [], duration: 3, rate: 100, nodes: 3, seed: 1 });
    const [plain, told] = await Promise.all(
      [{}, workloadOptions].map(async (given) =>
        run(assemble({ ...plan, workloadOptions: given }), { record: () => {}, messages: false }),
      ),
    );
    expect(told?.result.traceHash).toBe(plain?.result.traceHash);
    expect(told?.history.events).toEqual(plain?.history.events);

    const source = read(`workloads/${name}.ts`);
    const start = source.indexOf("strictObject({");
    const schema = source.slice(
      start,
      source.indexOf("\n  }", start) > 0 ? source.indexOf("})", start) : undefined,
    );
    // Workloads of transactions share some.
    const shared = source.includes("shapeOptions")
      ? (/shapeOptions = \{[\s\S]*?\n\};/.exec(read("workloads/transactional.ts"))?.[0] ?? "")
      : "";
    const declared = [...(schema + shared).matchAll(/^\s+(\w+): /gm)].map(([, option]) => option as string);
    expect(firsts(options).sort()).toEqual(declared.sort());

    const used = new Set(plain?.history.client.map(({ f }) => f as string));
    expect(firsts(rows(part, "Function")).sort()).toEqual([...used].sort());

    const checkers = lookUp("workload", name, workloads)
      .create({ ...contextOf(), options: {} })
      .checkers.map((checker) => `\`${checker.name}\``);
    expect(part).toContain(`Checkers: ${checkers.join(", ") || "none"}.`);
  });
});

function contextOf() {
  const { workload: _, ...test } = assemble(parsePlan({}));
  return { nodes: ["n1"], concurrency: test.plan.concurrency, timeout: 5e9, random: unused };
}
const unused = new Proxy({} as never, {
  get: () => {
    throw new Error("a workload is made without chance here");
  },
});

describe("docs/faults.md", () => {
  const text = read("docs/faults.md");

  it("has every fault, with what it needs", () => {
    const table = rows(section(text, "Every fault"), "Name");
    expect(table).toEqual(
      faults.map(({ name, summary, needs, leastNodes }) => [
        name,
        summary,
        needs.join(", "),
        String(leastNodes),
      ]),
    );
  });

  it("has every target", () => {
    const named = firsts(rows(section(text, "Targets"), "Name")).filter((name) => !name.startsWith("n1"));
    expect(named).toEqual([...targets]);
  });

  it("has every shape of a partition", () => {
    const source = read("nemesis/partition.ts");
    const shapes = source.slice(source.indexOf("const shapes = {"), source.indexOf("} as const satisfies"));
    const named = [...shapes.matchAll(/^ {2}"?([\w-]+)"?: \(/gm)].map(([, name]) => name as string);
    expect(firsts(rows(section(text, "Shapes of a partition"), "Name"))).toEqual(named);
  });

  it("has every triggered fault with its events", () => {
    const source = read("nemesis/triggered.ts");
    const declared = [...source.matchAll(/name: "([\w-]+)"[\s\S]*?on: \[([^\]]*)\]/g)].map(([, name, on]) => [
      name,
      (on as string).replaceAll('"', "`"),
    ]);
    expect(rows(section(text, "Triggered faults"), "Name")).toEqual(declared);
  });

  it("says what a sweep draws from", () => {
    expect(text).toContain(`${survivable.map((name) => `\`${name}\``).join(", ")}.`);
  });
});

/** The members of a union of strings, one a line. */
const members = (source: string): string[] =>
  [...source.matchAll(/^ {2}\| "([\w-]+)"/gm)].map(([, name]) => name as string);

/** First arguments of `add`, the values of `name`, and what a variable `name` may hold. */
function anomaliesIn(source: string): string[] {
  const places = [
    ...source.matchAll(/\badd\(\s*((?:[^,"]*"[^"]*")+)[^,"]*,/g),
    ...source.matchAll(/\bname: ("[^"]* [^"]*")/g),
    ...source.matchAll(/\bfound\(\s*("[^"]*")/g),
    ...source.matchAll(/\bconst name =\s([^;]*);/g),
  ];
  return places
    .flatMap(([, place]) => [...(place as string).matchAll(/"([^"]*)"/g)].map(([, name]) => name as string))
    .filter((name) => name.includes(" "));
}

describe("docs/checkers.md", () => {
  const text = read("docs/checkers.md");

  it("has every checker, and no other", () => {
    expect(headings(text).sort()).toEqual(names(listCheckers()).sort());
  });

  /** Where each checker's anomalies are named. */
  const sources: { readonly [checker: string]: readonly string[] } = {
    linearizable: ["checkers/linearizable/explanation.ts", "checkers/models/mutex.ts"],
    revisions: ["checkers/revisions.ts"],
    etcd: ["order", "mismatch", "execution", "leases", "replay", "compaction"].map(
      (file) => `checkers/etcd/${file}.ts`,
    ),
    watch: ["checkers/judged-watch.ts", "checkers/watch-log.ts"],
    "mutual-exclusion": ["checkers/mutual-exclusion.ts"],
    lease: ["checkers/lease.ts"],
    registry: ["checkers/registry.ts"],
    authorization: ["checkers/authorization.ts"],
    set: ["checkers/set.ts"],
    "causal-reverse": ["checkers/causal-reverse.ts"],
    bank: ["checkers/bank.ts"],
    counter: ["checkers/counter.ts"],
    "unique-ids": ["checkers/unique-ids.ts"],
    "total-queue": ["checkers/total-queue.ts"],
    queue: ["checkers/queue.ts"],
    replica: ["checkers/replica.ts"],
    snapshot: ["checkers/snapshot.ts"],
    config: ["checkers/config.ts"],
    election: ["checkers/election.ts"],
    "long-fork": ["checkers/long-fork.ts"],
    g2: ["checkers/g2.ts"],
    monotonic: ["checkers/monotonic.ts"],
    sequential: ["checkers/sequential.ts"],
    "session-guarantees": ["checkers/session.ts"],
    causal: ["checkers/causal.ts"],
    liveness: ["checkers/liveness.ts", "src/runner/run.ts"],
    "raft-invariants": ["cluster/raft/violation.ts"],
    "ground-truth": ["cluster/simulated/ground-truth.ts"],
    logs: ["cluster/real/stage.ts"],
  };

  it.each(Object.entries(sources))("has the anomalies of %s, and no others", (checker, paths) => {
    const source = paths.map(read).join("\n");
    const named = checker === "raft-invariants" ? members(source) : anomaliesIn(source);
    const documented = firsts(rows(section(text, checker), "Anomaly"));
    expect([...new Set(documented)].sort()).toEqual([...new Set(named)].sort());
  });
});

describe("docs/checkers.md, transactions", () => {
  const part = section(read("docs/checkers.md"), "list-append");

  it("has every anomaly, and no other", () => {
    const names = anomalyKinds.map(({ name }) => name.replace(/-(item|process|realtime)\b/g, ""));
    expect(firsts(rows(part, "Anomaly"))).toEqual([...new Set(names)]);
  });

  it("has every model as it is", () => {
    const list = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ");
    expect(rows(part, "Model")).toEqual(
      models.map(({ name, forbids, includes, source }) => [name, list(forbids), list(includes), source]),
    );
  });
});

describe("docs/bugs.md", () => {
  it("has every planted bug as it is", () => {
    const expected = plantedBugs.map(({ name, area, mutation, reference, workload, plan }) => {
      const words = [
        ...(plan?.nodes === undefined ? [] : [`--nodes ${plan.nodes}`]),
        ...(plan?.faults === undefined ? [] : [`--faults ${plan.faults.join(",")}`]),
        ...Object.entries(plan?.raftkv ?? {}).map(([name, value]) => `--set raftkv.${name}=${value}`),
      ].join(" ");
      return [name, area, mutation, reference, `\`${workload}\``, words === "" ? "" : `\`${words}\``];
    });
    expect(rows(read("docs/bugs.md"), "Name")).toEqual(expected);
  });

  it("has every equivalent mutant, and why it is one", () => {
    expect(rows(read("docs/bugs.md"), "Mutant")).toEqual(
      equivalentMutants.map(({ name, mutation, argument }) => [name, mutation, argument]),
    );
  });
});

describe("docs/server.md", () => {
  it("has every setting as it is", () => {
    expect(rows(read("docs/server.md"), "Setting")).toEqual(
      settings.map(({ name, value, summary, default: fallback }) => [
        value === undefined ? `--${name}` : `--${name} ${value}`,
        summary,
        fallback === undefined ? "" : `\`${fallback}\``,
      ]),
    );
  });
});

describe("docs/history.md", () => {
  const text = read("docs/history.md");

  it("has every file of a run", () => {
    const source = read("src/store/run-directory.ts");
    const files = source.slice(source.indexOf("const FILES = {"), source.indexOf("} as const"));
    const declared = [...files.matchAll(/: "([^"]+)"/g)].map(([, name]) => name as string);
    expect(firsts(rows(text, "File"))).toEqual(declared);
  });

  it("has every format", () => {
    const named = [...read("src/history/formats/format.ts").matchAll(/^ +name: "([^"]+)"/gm)];
    expect(firsts(rows(text, "Format"))).toEqual(named.map(([, name]) => name));
  });

  it("has every model as it is", () => {
    expect(rows(text, "Model")).toEqual(
      specifications.map(({ name, functions, summary }) => [name, `\`${functions.join("`, `")}\``, summary]),
    );
  });

  it("has an example that is a history, and no field that is none", () => {
    const [example] = blocks(text, /^json history$/);
    const events = (example?.body ?? "")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Op);
    const history = new History(events);
    expect(history.client.map(({ type }) => type)).toEqual(["ok", "ok", "info"]);
    const used = new Set(events.flatMap((event) => Object.keys(event)));
    expect([...used, "key"].sort()).toEqual(firsts(rows(text, "Field")).sort());
  });
});

it("docs/history.md has watches that are judged", () => {
  const [example] = blocks(read("docs/history.md"), /^json watch history$/);
  const judge = (spoil: (text: string) => string) => {
    const lines = spoil(example?.body ?? "")
      .trim()
      .split("\n");
    const history = new History(lines.map((line) => JSON.parse(line) as Op));
    return guess(history)?.checker({ nilIsUnknown: false, init: null }).check(history, new Budget(0));
  };
  expect(judge((text) => text)).toMatchObject({
    checker: "watch",
    validity: "valid",
    evidence: { events: 3 },
  });
  expect(judge((text) => text.replace('"start":2', '"start":3'))?.validity).toBe("invalid");
});

describe("the examples", () => {
  it("hold on the clean build, under a fault that bites", async () => {
    const { result } = await runTally({ nodes: 3, duration: 20, seed: 2 });
    expect(result).toMatchObject({ validity: "valid", vacuous: false });
    expect(result.faults[0]?.bites).toBeGreaterThan(0);
  });

  it("catch a client that repeats its writes", async () => {
    const { result } = await runTally({ nodes: 3, duration: 20, seed: 2, bug: "client-retries-writes" });
    expect(result.verdicts.find(({ checker }) => checker === "tally")?.anomalies[0]?.name).toBe(
      "touched twice",
    );
  });
});
