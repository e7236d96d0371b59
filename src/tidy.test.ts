/** Reads the source tree: who may know whom, what deterministic code may not touch, and files that nobody uses. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { mutants } from "../cluster/bugs.ts";
import { events, type Site, sites } from "../cluster/sites.ts";
import { version } from "./version.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folders = ["src", "workloads", "nemesis", "checkers", "cluster", "reports", "bench"];

interface Source {
  readonly path: string;
  readonly text: string;
  /** Own files it imports, relative to the root. */
  readonly imports: readonly string[];
  /** Packages and node modules it imports. */
  readonly packages: readonly string[];
}

function list(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const imports: string[] = [];
  const packages: string[] = [];
  for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    const target = name as string;
    if (target.startsWith(".")) imports.push(normalize(join(dirname(path), target)));
    else packages.push(target);
  }
  return { path, text, imports, packages };
}

const sources = folders.flatMap(list).map(read);
const isTest = (path: string): boolean => /\.(test|system)\.ts$/.test(path);
const product = sources.filter((source) => !isTest(source.path) && !source.path.startsWith("bench/"));

const ports = ["client", "workload", "fault", "checker", "cluster", "place", "plan", "result"].map(
  (name) => `src/${name}.ts`,
);

/** For each part, the longest matching prefix counts: what it may import besides itself. */
const arrows: { readonly [part: string]: readonly string[] } = {
  "src/history/": [],
  "src/generator/": ["src/history/", "src/runtime/random.ts"],
  "src/runtime/": ["src/history/", "src/cluster.ts"],
  ...Object.fromEntries(
    ports.map((port) => [port, [...ports, "src/history/", "src/generator/", "src/runtime/"]]),
  ),
  "src/runner/": [...ports, "src/history/", "src/generator/", "src/runtime/", "checkers/compose.ts"],
  "src/shrink/": [...ports, "src/history/", "src/runner/", "src/runtime/"],
  "src/futures/": [...ports, "src/runner/", "src/shrink/failure.ts"],
  "src/zoo/": [...ports, "src/history/", "src/runner/"],
  "src/scenarios/": [...ports, "src/history/", "src/shrink/failure.ts"],
  "src/suite/": [...ports, "src/history/", "src/shrink/failure.ts"],
  "src/store/": [...ports, "src/history/", "src/suite/"],
  "checkers/": ["src/checker.ts", "src/history/", "src/runtime/runtime.ts"],
  "checkers/testdata/": ["src/history/"],
  "checkers/linearizable/testdata/": ["checkers/", "src/checker.ts", "src/history/", "src/runtime/random.ts"],
  "checkers/transactions/testdata/": ["checkers/", "src/checker.ts", "src/history/", "src/runtime/random.ts"],
  "workloads/": [
    ...ports,
    "src/history/",
    "src/generator/",
    "src/runtime/",
    "checkers/",
    "cluster/api.ts",
    "cluster/kv/request.ts",
  ],
  "nemesis/": [...ports, "src/history/", "src/generator/", "src/runtime/"],
  "cluster/raft/": [],
  "cluster/kv/": [],
  "cluster/api.ts": ["cluster/kv/request.ts"],
  "cluster/bugs.ts": ["cluster/bugs/"],
  "cluster/bugs/": [],
  "cluster/sites.ts": [],
  "cluster/errors.ts": ["cluster/kv/", "cluster/api.ts"],
  "cluster/node/": [
    "cluster/raft/",
    "cluster/kv/",
    "cluster/api.ts",
    "cluster/errors.ts",
    "src/history/",
    "src/runtime/",
  ],
  "cluster/etcd/": ["cluster/node/", "cluster/kv/", "cluster/api.ts", "cluster/live/", "src/runtime/"],
  "cluster/live/": [
    "cluster/raft/",
    "cluster/kv/",
    "cluster/node/",
    "cluster/api.ts",
    "cluster/errors.ts",
    "src/history/",
    "src/runtime/",
  ],
  "cluster/etcd-client/": [
    "cluster/etcd/generated/",
    "cluster/etcd/convert.ts",
    "cluster/etcd/rpc.ts",
    "cluster/kv/request.ts",
    "cluster/api.ts",
    "cluster/errors.ts",
    "src/history/",
    "src/runtime/",
  ],
  "cluster/server/": ["cluster/", "src/plan.ts", "src/history/", "src/runtime/"],
  "cluster/installation.ts": ["src/plan.ts"],
  "cluster/systems/": ["cluster/", "src/plan.ts", "src/history/", "src/runtime/"],
  "cluster/real/": ["cluster/systems/", "cluster/installation.ts", ...ports, "src/history/", "src/runtime/"],
  "cluster/processes/": [
    "cluster/real/",
    "cluster/systems/",
    "cluster/installation.ts",
    ...ports,
    "src/history/",
  ],
  "cluster/docker/": [
    "cluster/real/",
    "cluster/systems/",
    "cluster/installation.ts",
    ...ports,
    "src/history/",
  ],
  "cluster/simulated/": ["cluster/", ...ports, "src/history/", "src/runtime/"],
  "reports/": [
    ...ports,
    "src/history/",
    "src/store/",
    "src/futures/",
    "src/zoo/",
    "src/suite/",
    "src/runtime/runtime.ts",
    "src/version.ts",
  ],
  "src/registry.ts": [
    "checkers/",
    "cluster/",
    "nemesis/",
    "workloads/",
    ...ports,
    "src/history/",
    "src/runner/",
    "src/runtime/",
  ],
  "src/index.ts": ["src/", "checkers/", "cluster/", "nemesis/", "workloads/", "reports/"],
  "src/cli/": ["src/", "checkers/", "cluster/", "nemesis/", "workloads/", "reports/"],
  "src/version.ts": [],
};

function partOf(path: string): string | undefined {
  return Object.keys(arrows)
    .filter((part) => path.startsWith(part))
    .sort((a, b) => b.length - a.length)[0];
}

/** Code of real clusters. */
const real = [
  "cluster/live/",
  "cluster/server/",
  "cluster/etcd/",
  "cluster/etcd-client/",
  "cluster/systems/",
  "cluster/real/",
  "cluster/processes/",
  "cluster/docker/",
  "cluster/installation.ts",
];

/** Code that must give the same bytes on every machine. */
const deterministic = product.filter(
  ({ path }) => !["src/cli/", "src/store/", "src/tidy", ...real].some((prefix) => path.startsWith(prefix)),
);
const banned: readonly (readonly [what: string, pattern: RegExp, instead: string])[] = [
  ["Date", /\bDate\b(?!\))/, "runtime.clock"],
  ["performance", /\bperformance\./, "runtime.clock"],
  ["Math.random", /Math\.random/, "a Random"],
  ["Math.pow and **", /Math\.pow|\*\*(?![/*\s])/, "multiplication: they differ between engines"],
  [
    "timers",
    /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b|process\.nextTick/,
    "runtime.timer or runtime.defer",
  ],
  ["crypto", /\bcrypto\b/, "a Random"],
  ["locale", /\blocaleCompare\b|\bIntl\b|toLocale/, "comparison of code units"],
  ["WeakRef", /\b(WeakRef|FinalizationRegistry)\b/, "explicit lifetimes"],
];
/** The exceptions, each with its reason. */
const excused: { readonly [path: string]: readonly string[] } = {
  // Yields to the event loop so that promises of the tester's side run; takes no time and no value from it.
  "src/runtime/world.ts": ["timers"],
  // Takes the moment of the run as an argument for its name.
  "src/store/run-directory.ts": ["Date"],
};

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

describe("the tree", () => {
  it("keeps the arrows", () => {
    const broken: string[] = [];
    for (const { path, imports } of product) {
      const part = partOf(path);
      if (part === undefined) {
        broken.push(`${path} belongs to no part`);
        continue;
      }
      const allowed = arrows[part] as readonly string[];
      for (const target of imports) {
        const own = partOf(target) === part;
        if (!own && !allowed.some((prefix) => target.startsWith(prefix)))
          broken.push(`${path} must not know ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it("does not touch real time, chance or I/O where it must be deterministic", () => {
    const found: string[] = [];
    for (const { path, text } of deterministic) {
      const code = withoutComments(text);
      for (const [what, pattern, instead] of banned) {
        if (pattern.test(code) && !(excused[path] ?? []).includes(what))
          found.push(`${path}: ${what}; use ${instead}`);
      }
    }
    expect(found).toEqual([]);
  });

  it("does files and sockets only at the edges", () => {
    const io = /^node:(fs|net|tls|http|http2|dgram|child_process|worker_threads|os)\b/;
    const edges = ["src/cli/", "src/store/", "reports/", ...real];
    const found = product
      .filter(
        ({ path, packages }) =>
          packages.some((name) => io.test(name)) && !edges.some((edge) => path.startsWith(edge)),
      )
      .map(({ path }) => path);
    expect(found).toEqual([]);
  });

  it("has no file that nobody uses", () => {
    const entries = [
      "src/index.ts",
      "src/cli/main.ts",
      "src/cli/kv-main.ts",
      "src/cli/sweep-worker.ts",
      "cluster/processes/reaper.ts",
      "cluster/docker/reaper.ts",
      "cluster/docker/probe.ts",
      "cluster/docker/dockerode.d.ts",
    ];
    const used = new Set(sources.flatMap((source) => source.imports));
    const dead = product.map(({ path }) => path).filter((path) => !used.has(path) && !entries.includes(path));
    expect(dead).toEqual([]);
  });

  it("has no drawers", () => {
    const drawers = product.filter(({ path }) =>
      /(^|\/)(utils?|helpers?|common|misc|types)(\/|\.ts$)/.test(path),
    );
    expect(drawers.map(({ path }) => path)).toEqual([]);
  });
});

describe("planted bugs", () => {
  const planted = new Map<string, string[]>();
  for (const { path, text } of product) {
    if (!path.startsWith("cluster/") || path === "cluster/bugs.ts") continue;
    for (const [, name] of text.matchAll(/\bbug\s*[!=]==\s*"([a-z-]+)"/g)) {
      planted.set(name as string, [...(planted.get(name as string) ?? []), path]);
    }
  }

  it("are all in the table, and everything in the table is planted", () => {
    expect([...planted.keys()].sort()).toEqual(mutants.map(({ name }) => name).sort());
  });

  it("have names of their own", () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });
});

describe("sites", () => {
  const table: readonly Site[] = [...sites, ...events];
  const elsewhere = product.filter(({ path }) => path !== "cluster/sites.ts");

  it("have names of their own", () => {
    expect(new Set(table.map((site) => site.name)).size).toBe(table.length);
  });

  it("are all reported by some code", () => {
    const text = elsewhere.map((source) => source.text).join("\n");
    // Phases are put together from their names.
    const silent = table.filter(({ name }) => !text.includes(`"${name.replace(/^phase-/, "")}"`));
    expect(silent).toEqual([]);
  });

  it("include all that code reports", () => {
    const reporting = /\b(?:trace|reach|reached)(?:\?\.)?\(\s*(?:[\w.]+,\s*)?(?:\{\s*kind: )?"([a-z-]+)"/g;
    const known = new Set(table.map((site) => site.name));
    // The world passes on what it is told, and the tests have a small one of their own.
    const own = elsewhere.filter(({ path }) => !/^src\/runtime\/world\.ts$|\/testdata\//.test(path));
    const unknown = own.flatMap(({ path, text }) =>
      [...text.matchAll(reporting)]
        .filter(([, name]) => !known.has(name as string))
        .map(([, name]) => `${path}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });
});

it("says the same version everywhere", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly version: string;
  };
  expect(version).toBe(manifest.version);
});
