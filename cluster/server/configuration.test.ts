import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/plan.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { Compactor } from "./auto-compaction.ts";
import { createAuthority } from "./certificates.ts";
import { configure } from "./configuration.ts";
import { withExperiment } from "./experiment.ts";
import { fromEnvironment, fromFile, merge, SettingsError } from "./settings.ts";

const GIB = 2 ** 30;
const given = (settings: { readonly [name: string]: string }, heapBytes = 8 * GIB) =>
  configure(merge([new Map(Object.entries(settings))]), heapBytes);

describe("an experiment", () => {
  const plain = configure(merge([]));
  const experiment = (value: object) => withExperiment(plain, JSON.stringify(value));

  it("changes what no flag does, and nothing unless it is told", () => {
    expect(withExperiment(plain, undefined)).toBe(plain);
    const { member } = experiment({
      bug: "vote-twice",
      raftkv: { preVote: false, tickMs: 7, snapshotEvery: 9 },
    });
    expect(member.tuning).toMatchObject({ bug: "vote-twice", preVote: false, tick: 7e6, snapshotEvery: 9 });
    expect(member.name).toBe(plain.member.name);
  });

  it.each([{ bug: "no-such-bug", raftkv: {} }, { bug: "", raftkv: { tickMs: 0 } }, { raftkv: {} }])(
    "refuses %o",
    (value) => {
      expect(() => experiment(value)).toThrow(UsageError);
    },
  );
});

describe("settings", () => {
  it("come from flags, then the environment, then the file, then the defaults", () => {
    const flags = new Map([["name", "by flag"]]);
    const environment = fromEnvironment({
      FAULTLINE_NAME: "by environment",
      FAULTLINE_INITIAL_CLUSTER_TOKEN: "by environment",
      ETCD_INITIAL_CLUSTER_TOKEN: "by etcd's environment",
      ETCD_LOG_LEVEL: "warn",
    });
    const file = fromFile(
      "name: by file\ninitial-cluster-token: by file\nmax-txn-ops: 7\nlog-level: debug",
      "f",
    );
    const { member, logLevel } = configure(merge([flags, environment, file]));
    expect([member.name, member.token, member.tuning.maxTxnOps, logLevel]).toEqual([
      "by flag",
      "by environment",
      7,
      "warn",
    ]);
    expect(member.tuning.snapshotEvery).toBe(10_000);
  });

  it("stand in etcd's sections of the file too", () => {
    const file = fromFile(
      "peer-transport-security:\n  cert-file: a\nclient-transport-security: { key-file: b }",
      "f",
    );
    expect(Object.fromEntries(file)).toEqual({ "peer-cert-file": "a", "key-file": "b" });
  });

  it.each([
    ["a: [", "f is no YAML"],
    ["- a", "f has to be a mapping of settings"],
    ["data_dir: x", 'f: there is no setting "data_dir"; did you mean data-dir?'],
    ["name: [x]", "f: name has to be a text, a number or a boolean"],
  ])("are refused in a file: %s", (text, message) => {
    expect(() => fromFile(text, "f")).toThrow(message);
  });
});

describe("a configuration", () => {
  it("is a member alone unless told otherwise", () => {
    const { member, client } = given({});
    expect(member).toMatchObject({
      name: "default",
      dataDirectory: "default.faultline",
      advertisePeerUrls: ["http://127.0.0.1:2380"],
      advertiseClientUrls: ["http://127.0.0.1:2379"],
      initialClusterState: "new",
      tuning: { tick: 100 * MILLISECOND, electionTicks: 10, requestTimeout: 7 * SECOND },
    });
    expect([...member.initialCluster]).toEqual([["default", ["http://127.0.0.1:2380"]]]);
    expect(client).toMatchObject({ listen: [{ host: "127.0.0.1", port: 2379 }], quotaBytes: 2 * GIB });
  });

  it("takes no larger quota than the heap has room for", () => {
    expect(given({}, GIB).client.quotaBytes).toBe(GIB / 2);
    expect(given({ "quota-backend-bytes": "8589934592" }, 16 * GIB).client.quotaBytes).toBe(8 * GIB);
  });

  it("reads certificates, and asks clients for theirs only when told to", () => {
    const home = fs.mkdtempSync(join(tmpdir(), "faultline-certs-"));
    const authority = createAuthority("test", 1);
    const { cert, key } = authority.issue("server", ["127.0.0.1"]);
    const path = (name: string, text: string) => {
      fs.writeFileSync(join(home, name), text);
      return join(home, name);
    };
    const files = {
      "cert-file": path("cert", cert),
      "key-file": path("key", key),
      "trusted-ca-file": path("ca", authority.cert),
      "listen-client-urls": "https://[::1]:2379",
    };
    expect(given(files).client).toMatchObject({ tls: { cert, key }, listen: [{ host: "::1", port: 2379 }] });
    expect(given(files).client.tls).toMatchObject({ clientCertAuth: false });
    const { tls } = given({ ...files, "client-cert-auth": "true" }).client;
    expect(tls).toEqual({ cert, key, ca: authority.cert, clientCertAuth: true });

    const renewed = authority.issue("server", ["127.0.0.1"]);
    path("cert", renewed.cert);
    path("key", renewed.key);
    expect(tls).toMatchObject(renewed);
    fs.rmSync(home, { recursive: true });
  });

  it.each([
    [{ name: "a,b" }, '--name "a,b" has to be a text without "," and "="'],
    [{ "listen-peer-urls": "127.0.0.1:2380" }, '"127.0.0.1:2380" has to be http(s)://host:port'],
    [{ "listen-peer-urls": "http://127.0.0.1" }, "has to be http(s)://host:port"],
    [{ "listen-peer-urls": "http://somewhere:2380" }, "somewhere has to be an IP address, or localhost"],
    [{ "listen-peer-urls": "http://0.0.0.0:2380" }, "--initial-advertise-peer-urls is needed"],
    [{ "listen-client-urls": "https://127.0.0.1:1" }, "an https URL needs --cert-file and --key-file"],
    [{ "listen-client-urls": "https://127.0.0.1:1,http://127.0.0.1:2" }, "cannot be mixed"],
    [{ "cert-file": "/dev/null" }, "--cert-file and --key-file have to be given together"],
    [{ "peer-cert-file": "/nowhere", "peer-key-file": "/nowhere" }, "--peer-cert-file: ENOENT"],
    [{ "client-cert-auth": "true" }, "--client-cert-auth needs --trusted-ca-file"],
    [{ "client-cert-auth": "yes" }, "has to be true or false"],
    [{ "heartbeat-interval": "0" }, "has to be an integer from 1 to 10000"],
    [{ "heartbeat-interval": "1.5" }, "has to be an integer from 1 to 10000"],
    [{ "election-timeout": "400" }, "has to be at least five times --heartbeat-interval 100"],
    [{ "initial-cluster": "n1" }, '"n1" has to be name=url'],
    [{ "initial-cluster": "n1=http://127.0.0.1:2380" }, "does not name this member, default: it has n1"],
    [{ "initial-cluster": "default=http://127.0.0.1:1" }, "they have to agree"],
    [
      { "initial-cluster": "default=http://127.0.0.1:2380,n2=http://127.0.0.1:2380" },
      "two members at the same URLs",
    ],
    [{ "initial-cluster-state": "old" }, "has to be one of new, existing"],
    [{ "auto-compaction-mode": "sometimes" }, "has to be one of periodic, revision"],
    [{ "auto-compaction-retention": "soon" }, "has to be a time such as 30m or 1h"],
    [{ "auto-compaction-mode": "revision", "auto-compaction-retention": "1h" }, "has to be an integer"],
    [{ "quota-backend-bytes": "8589934593" }, "has to be an integer from 0 to 8589934592"],
    [
      { "quota-backend-bytes": "4294967297" },
      "more than half of the heap, 8589934592 bytes: start with NODE_OPTIONS=--max-old-space-size=8193",
    ],
    [{ "log-level": "loud" }, "has to be one of debug, info, warn, error"],
  ] as const)("is refused: %j", (settings, message) => {
    expect(() => given(settings)).toThrow(SettingsError);
    expect(() => given(settings)).toThrow(message);
  });

  it.each([
    ["periodic", "0", undefined],
    ["periodic", "90s", { mode: "periodic", time: 90 * SECOND }],
    ["periodic", "2", { mode: "periodic", time: 7200 * SECOND }],
    ["revision", "1000", { mode: "revision", revisions: 1000 }],
  ])("keeps history by %s %s", (mode, text, retention) => {
    const settings = { "auto-compaction-mode": mode, "auto-compaction-retention": text };
    expect(given(settings).retention).toEqual(retention);
  });
});

describe("automatic compaction", () => {
  it("keeps a number of revisions, and asks for none twice", () => {
    const compactor = new Compactor({ mode: "revision", revisions: 100 });
    expect(compactor.look(0, 90, true)).toBeUndefined();
    expect(compactor.look(0, 250, true)).toBe(150);
    expect(compactor.look(0, 250, true)).toBeUndefined();
    expect(compactor.look(0, 260, true)).toBe(160);
  });

  it("keeps a time: what the revision was that long ago", () => {
    const compactor = new Compactor({ mode: "periodic", time: 100 });
    expect(compactor.interval).toBe(10);
    const asked = Array.from({ length: 16 }, (_, i) => compactor.look(i * 10, 2 + i, true));
    expect(asked).toEqual([...Array(10).fill(undefined), 2, 3, 4, 5, 6, 7]);
  });

  it("is the leader's business, and a new leader knows what there was", () => {
    const compactor = new Compactor({ mode: "periodic", time: 20 });
    const asked = Array.from({ length: 6 }, (_, i) => compactor.look(i * 10, 2 + i, i >= 4));
    expect(asked).toEqual([undefined, undefined, undefined, undefined, 4, 5]);
  });
});
