/** etcdctl, command by command, against three members of ours and three of etcd 3.4: what it prints must be the same. */
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isInstalled, RealEtcd } from "./real-etcd.ts";
import { EdgeTestbed } from "./testbed.ts";

interface Command {
  readonly line: string;
  readonly input?: string;
  /** For one that does not end by itself: it is ended once it has printed so many lines, or after a while. */
  readonly lines?: number;
  /** What it prints may be in any order, as it asks all members at once. */
  readonly unordered?: boolean;
  /** What no two clusters print alike. */
  readonly varying?: RegExp;
  /** Endpoints are given as URLs. */
  readonly urls?: boolean;
}

/** Words in braces stand for what earlier commands printed: {lease1} for the first lease's id, and so on. */
const KV: readonly Command[] = [
  { line: "put a 1" },
  { line: "put b 2 --prev-kv" },
  { line: "put b 3 --prev-kv" },
  { line: "put c", input: "from standard input" },
  { line: "put d 4 -w json" },
  { line: "put d --ignore-value" },
  { line: "put none --ignore-value" },
  { line: "put d 5 --ignore-value" },
  { line: "put --" },
  { line: "get a" },
  { line: "get none" },
  { line: "get a c" },
  { line: "get a --from-key" },
  { line: "get '' --prefix" },
  { line: "get '' --prefix --keys-only" },
  { line: "get '' --prefix --print-value-only" },
  { line: "get '' --prefix --count-only -w json" },
  { line: "get '' --prefix --limit 2" },
  { line: "get '' --prefix --sort-by MODIFY --order DESCEND" },
  { line: "get '' --prefix --sort-by VALUE" },
  { line: "get b --rev 3" },
  { line: "get b --rev 99" },
  { line: "get b -w fields" },
  { line: "get b -w json" },
  { line: "get b --hex" },
  { line: "get b --consistency s" },
  { line: "get a b c" },
  { line: "txn", input: 'mod("a") > "0"\nvalue("b") = "3"\n\nput a 2\nget b\ndel c\n\nput never 1\n\n' },
  { line: "txn", input: 'create("a") = "0"\n\nput never 1\n\nget a\n\n' },
  { line: "txn", input: "\nput a 1\nput a 2\n\n\n" },
  { line: "txn -w json", input: "\nget '' --prefix\n\n\n" },
  { line: "del d --prev-kv" },
  { line: "del none" },
  { line: "del a b --prev-kv" },
  { line: "del '' --prefix -w json" },
  { line: "watch a --rev 2", lines: 6 },
  { line: "watch '' --prefix --rev 1 --prev-kv", lines: 20 },
  { line: "compaction 4" },
  { line: "compaction 4" },
  { line: "compaction 999" },
  { line: "get b --rev 3" },
  { line: "watch b --rev 2" },
];

const LEASES: readonly Command[] = [
  { line: "lease grant 600" },
  { line: "lease grant 600 -w json" },
  { line: "lease grant 0" },
  { line: "lease grant many" },
  { line: "put leased 1 --lease {lease1}" },
  { line: "put leased 1 --lease 1234" },
  { line: "lease timetolive {lease1} --keys", varying: /remaining\(\d+s\)/ },
  { line: "lease timetolive 1234 --keys" },
  { line: "lease keep-alive {lease1} --once" },
  { line: "lease keep-alive 1234 --once" },
  { line: "lease revoke {lease1}" },
  { line: "lease revoke {lease1}" },
  { line: "get leased" },
  { line: "lock mutex", lines: 1 },
  { line: "lock mutex echo held" },
  { line: "elect office me", lines: 2 },
];

/** A member's id and its URLs: which names they go with is each cluster's own affair. */
const MEMBER = /http:\/\/[^,| ]+|\b[0-9a-f]{10,16}\b/;

const CLUSTER: readonly Command[] = [
  { line: "member list", unordered: true, varying: MEMBER },
  { line: "member list -w table", unordered: true, varying: MEMBER },
  { line: "member add late" },
  { line: "member add late --peer-urls nonsense" },
  {
    line: "member add late --peer-urls http://127.0.0.1:1 --learner",
    varying: /ETCD_INITIAL_CLUSTER=.*|\b[0-9a-f]{10,16}\b/,
  },
  { line: "member add later --peer-urls http://127.0.0.1:2 --learner" },
  { line: "member list -w simple", unordered: true, varying: MEMBER },
  { line: "member promote 1234" },
  { line: "member remove 1234" },
  { line: "endpoint health", unordered: true },
  { line: "endpoint hashkv", unordered: true, varying: /, \d+/ },
  { line: "endpoint hashkv", unordered: true, varying: /, \d+/, urls: true },
  { line: "endpoint status -w fields", unordered: true, varying: /"(Raft\w+|DBSize\w*|Version)" : \S+/i },
  { line: "alarm list" },
  { line: "alarm disarm" },
  { line: "defrag" },
  { line: "move-leader 1234" },
];

const AUTH: readonly Command[] = [
  { line: "user list" },
  { line: "user add root:secret" },
  { line: "user add root:secret" },
  { line: "user add ann:pass" },
  { line: "user add bob --no-password" },
  { line: "user add cat --interactive=false", input: "pass" },
  { line: "auth enable --user root:secret" },
  { line: "put a 1" },
  { line: "put a 1 --user ann:pass" },
  { line: "put a 1 --user ann:wrong" },
  { line: "put a 1 --user bob:pass" },
  { line: "--user root:secret role add reader" },
  { line: "--user root:secret role add reader" },
  { line: "--user root:secret role grant-permission reader read a b" },
  { line: "--user root:secret role grant-permission reader readwrite own/ --prefix" },
  { line: "--user root:secret role grant-permission nobody read a" },
  { line: "--user root:secret role get reader" },
  { line: "--user root:secret role list" },
  { line: "--user root:secret user grant-role ann reader" },
  { line: "--user root:secret user grant-role ann nobody" },
  { line: "--user root:secret user get ann --detail" },
  { line: "--user ann:pass user get ann" },
  { line: "--user ann:pass user list" },
  { line: "--user root:secret put a 1" },
  { line: "--user ann:pass get a" },
  { line: "--user ann:pass put a 2" },
  { line: "--user ann:pass put own/a 2" },
  { line: "--user ann:pass del own/ --prefix" },
  { line: "--user ann:pass watch b", lines: 1 },
  { line: "--user root:secret role revoke-permission reader a b" },
  { line: "--user root:secret role revoke-permission reader a b" },
  { line: "--user ann:pass get a" },
  { line: "--user root:secret user passwd ann --interactive=false", input: "other" },
  { line: "--user ann:pass get own/a" },
  { line: "--user ann:other get own/a" },
  { line: "--user root:secret user revoke-role ann reader" },
  { line: "--user root:secret user delete ann" },
  { line: "--user root:secret user delete root" },
  { line: "--user root:secret role delete reader" },
  { line: "--user root:secret auth disable" },
  { line: "get a" },
];

/** What a cluster calls its things, and what they are called here. */
class Names {
  readonly #byName = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  of(kind: string, name: string): string {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const here = `${kind}${count}`;
    this.#byName.set(name, here);
    return here;
  }

  /** The cluster's name of what is in braces. */
  resolve(line: string): string {
    return line.replace(/\{(\w+)\}/g, (_, here: string) => {
      for (const [name, known] of this.#byName) if (known === here) return name;
      throw new Error(`nothing is called ${here}`);
    });
  }
}

class Place {
  readonly #addresses: readonly string[];
  readonly #names = new Names();

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
    for (const address of addresses) this.#names.of("endpoint", address);
  }

  async run(command: Command): Promise<string> {
    const { line, input = "", lines, unordered, varying, urls } = command;
    const words = [...this.#names.resolve(line).matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? "",
    );
    const members = this.#addresses.map((address) => (urls ? `http://${address}` : address));
    const endpoints = (/^(lock|elect)/.test(line) ? members.slice(0, 1) : members).join(",");
    const child = spawn("etcdctl", [`--endpoints=${endpoints}`, ...words], {
      env: { ...process.env, ETCDCTL_API: "3" },
    });
    // One after the other: how the two interleave is chance.
    const printed = ["", ""] as [string, string];
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const limit = setTimeout(() => child.kill("SIGTERM"), lines === undefined ? 20_000 : 3000);
    for (const [i, stream] of [child.stdout, child.stderr].entries())
      stream.on("data", (piece: Buffer) => {
        printed[i] += piece.toString("latin1");
        if (lines !== undefined && (printed[i] ?? "").split("\n").length > lines) child.kill("SIGTERM");
      });
    // Most commands end without having read it.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const status = await ended;
    clearTimeout(limit);
    const all = printed.join("");
    const text = this.#normal(varying === undefined ? all : all.replace(new RegExp(varying, "g"), "~"));
    const shown = unordered === true ? text.split("\n").sort().join("\n") : text;
    // One that had to be ended has no status of its own, and may have printed more meanwhile.
    return lines === undefined ? `${shown}\nstatus ${status}` : shown.split("\n").slice(0, lines).join("\n");
  }

  #normal(text: string): string {
    return (
      text
        // The client's own log.
        .replace(/^\{"level".*\n/gm, "")
        .replace(/"(cluster_id|member_id|ID|lease|raft_term)":\d+/g, '"$1":~')
        .replace(/127\.0\.0\.1:\d{4,5}/g, (name) => this.#names.of("endpoint", name))
        .replace(/\b(lease|Lease|mutex\/|office\/)( ?)([0-9a-f]{10,16})\b/g, (_, what, gap, name) => {
          return `${what}${gap}${this.#names.of("lease", name)}`;
        })
        .replace(/\b[0-9a-f]{10,16}\b(?=[,: ]| \|)/g, (name) => this.#names.of("id", name))
        .replace(/"(\w*ID|Lease|RaftTerm|Leader)" : \d+/g, '"$1" : ~')
        .replace(/took = [\d.]+\w+/g, "took = ~")
        .replace(/remaining\(\d+s\)/g, "remaining(~)")
        // Columns are as wide as what is in them.
        .replace(/-{3,}/g, "---")
        .replace(/ {2,}/g, " ")
    );
  }
}

if (!isInstalled()) {
  if (process.env.CI !== undefined) throw new Error("etcd-server and etcd-client must be installed");
  console.warn("SKIPPED: no etcdctl here to drive; apt-get install etcd-server etcd-client");
}

describe.skipIf(!isInstalled())("etcdctl", () => {
  const bed = new EdgeTestbed({}, { bcryptCost: 4 });
  const real = new RealEtcd();
  let ours: Place;
  let theirs: Place;
  beforeAll(async () => {
    const names = ["m1", "m2", "m3"];
    await Promise.all([bed.found(...names), real.start(3, ["--bcrypt-cost", "4"])]);
    ours = new Place(names.map((name) => bed.address(name)));
    theirs = new Place(real.addresses);
    // etcd changes no membership before all members have been connected for five seconds.
    await new Promise((resolve) => setTimeout(resolve, 6000));
  });
  afterAll(() => Promise.all([bed.end(), real.end()]));

  it.each([...KV, ...LEASES, ...CLUSTER, ...AUTH].map((command) => [command.line, command] as const))(
    "%s",
    async (_line, command) => {
      const [our, their] = await Promise.all([ours.run(command), theirs.run(command)]);
      expect(our).toBe(their);
    },
  );
});
