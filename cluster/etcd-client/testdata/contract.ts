/** What a client must be able to do with whoever speaks etcd's API: the same for our server and for real etcd. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SECOND } from "../../../src/runtime/runtime.ts";
import type { KvApi, WatchResponse } from "../../api.ts";
import type { WatchCreateRequest } from "../../kv/request.ts";
import { EtcdClient } from "../client.ts";

/** Responses of a watch, as they come. */
class Heard {
  readonly responses: WatchResponse[] = [];
  ended: string | undefined;
  #told: () => void = () => {};

  response(response: WatchResponse): void {
    this.responses.push(response);
    this.#told();
  }

  end(reason: string): void {
    this.ended = reason;
    this.#told();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
  }

  get events(): string[] {
    return this.responses.flatMap(({ events }) =>
      events.map(({ type, kv }) => `${type} ${kv.key}@${kv.modRevision}`),
    );
  }
}

export function watch(client: KvApi, request: WatchCreateRequest) {
  const heard = new Heard();
  const watching = client.watch(request, {
    response: (response) => heard.response(response),
    ended: (reason) => heard.end(reason),
  });
  return Object.assign(heard, { watching });
}

/** Defines the tests; `address` is asked for when they run. */
export function describeContract(server: string, address: () => string): void {
  describe(`a client of ${server}`, () => {
    let client: EtcdClient;
    beforeAll(() => {
      client = new EtcdClient(address(), { timeout: 20 * SECOND });
    });
    afterAll(() => client.close());

    /** The revision of the last change. */
    const head = async () => (await client.request({ kind: "range", key: "none" })).header.revision;

    it("writes, reads and deletes, whatever the bytes", async () => {
      const key = "bytes/\0\xff";
      const first = await client.request({ kind: "put", key, value: "\x80one" });
      const { prevKv, header } = await client.request({ kind: "put", key, value: "two", prevKv: true });
      expect(header.revision).toBe(first.header.revision + 1);
      expect(prevKv).toEqual({
        key,
        value: "\x80one",
        createRevision: first.header.revision,
        modRevision: first.header.revision,
        version: 1,
        lease: "0",
      });
      const { kvs, count, more } = await client.request({ kind: "range", key });
      expect({ kvs, count, more }).toMatchObject({ kvs: [{ value: "two", version: 2 }], count: 1, more: false });
      const old = await client.request({ kind: "range", key, revision: first.header.revision });
      expect(old.kvs[0]?.value).toBe("\x80one");
      const gone = await client.request({ kind: "delete-range", key: "bytes/", rangeEnd: "bytes0", prevKv: true });
      expect(gone).toMatchObject({ deleted: 1, prevKvs: [{ key, value: "two" }] });
    });

    it("ranges with every option", async () => {
      for (const key of ["r/a", "r/b", "r/c"]) await client.request({ kind: "put", key, value: key });
      const range = { kind: "range", key: "r/", rangeEnd: "r0" } as const;
      const keys = async (options: object) =>
        (await client.request({ ...range, ...options })).kvs.map(({ key }) => key);
      expect(await keys({ sortOrder: "descend", sortTarget: "mod" })).toEqual(["r/c", "r/b", "r/a"]);
      expect(await keys({ limit: 2, serializable: true })).toEqual(["r/a", "r/b"]);
      const limited = await client.request({ ...range, limit: 1, keysOnly: true });
      expect(limited).toMatchObject({ more: true, count: 3, kvs: [{ key: "r/a", value: "" }] });
      expect(await client.request({ ...range, countOnly: true })).toMatchObject({ kvs: [], count: 3 });
      const last = limited.header.revision;
      expect(await keys({ minModRevision: last })).toEqual(["r/c"]);
      expect(await keys({ maxCreateRevision: last - 2 })).toEqual(["r/a"]);
    });

    it("compares and branches", async () => {
      await client.request({ kind: "delete-range", key: "t" });
      const put = await client.request({ kind: "put", key: "t", value: "v" });
      const { revision } = put.header;
      const txn = await client.request({
        kind: "txn",
        compare: [
          { key: "t", target: "value", result: "equal", operand: "v" },
          { key: "t", target: "version", result: "less", operand: 2 },
          { key: "t", target: "create", result: "equal", operand: revision },
          { key: "t", target: "mod", result: "greater", operand: revision - 1 },
          { key: "t", target: "lease", result: "not-equal", operand: "5" },
        ],
        success: [
          { kind: "put", key: "t", value: "w", prevKv: true },
          { kind: "range", key: "t" },
          {
            kind: "txn",
            compare: [{ key: "t", target: "value", result: "equal", operand: "x" }],
            success: [],
            failure: [{ kind: "delete-range", key: "t/other" }],
          },
        ],
        failure: [],
      });
      expect(txn).toMatchObject({
        succeeded: true,
        responses: [
          { kind: "put", prevKv: { value: "v" } },
          { kind: "range", kvs: [{ value: "w", modRevision: revision + 1 }] },
          { kind: "txn", succeeded: false, responses: [{ kind: "delete-range", deleted: 0 }] },
        ],
      });
    });

    it("keeps leases alive, and lets them go", async () => {
      const { id, ttl } = await client.request({ kind: "lease-grant", id: "0", ttl: 60 });
      expect(ttl).toBe(60);
      await client.request({ kind: "put", key: "leased", value: "", lease: id });
      expect(await client.request({ kind: "lease-keep-alive", id })).toMatchObject({ id, ttl: 60 });
      const left = await client.request({ kind: "lease-time-to-live", id, keys: true });
      expect(left).toMatchObject({ id, grantedTtl: 60, keys: ["leased"] });
      expect((await client.request({ kind: "lease-leases" })).leases).toContain(id);
      await client.request({ kind: "lease-revoke", id });
      expect((await client.request({ kind: "range", key: "leased" })).count).toBe(0);
      expect(await client.request({ kind: "lease-keep-alive", id })).toMatchObject({ ttl: 0 });
      expect(await client.request({ kind: "lease-time-to-live", id })).toMatchObject({ ttl: -1 });
    });

    it("watches from the past on, until it is told not to", async () => {
      const { header } = await client.request({ kind: "put", key: "w/1", value: "a" });
      await client.request({ kind: "delete-range", key: "w/1" });
      const from = header.revision;
      const all = watch(client, { key: "w/", rangeEnd: "w0", startRevision: from, prevKv: true });
      const puts = watch(client, { key: "w/", rangeEnd: "w0", startRevision: from, filters: ["no-delete"] });
      await client.request({ kind: "put", key: "w/2", value: "b" });
      await all.until(() => all.events.length >= 3);
      await puts.until(() => puts.events.length >= 2);
      expect(all.responses[0]?.kind).toBe("created");
      expect(all.events).toEqual([`put w/1@${from}`, `delete w/1@${from + 1}`, `put w/2@${from + 2}`]);
      expect(puts.events).toEqual([`put w/1@${from}`, `put w/2@${from + 2}`]);
      const deletion = all.responses.flatMap(({ events }) => events).find(({ type }) => type === "delete");
      expect(deletion?.prevKv?.value).toBe("a");
      all.watching.requestProgress();
      await all.until(() => all.responses.some(({ kind }) => kind === "progress"));
      const progress = all.responses.find(({ kind }) => kind === "progress");
      expect(progress).toMatchObject({ requested: true, header: { revision: from + 2 } });
      for (const one of [all, puts]) {
        one.watching.cancel();
        await one.until(() => one.ended !== undefined);
        expect(one.responses.at(-1)?.kind).toBe("canceled");
      }
    });

    it("is told of history that is gone", async () => {
      await client.request({ kind: "put", key: "c", value: "1" });
      const revision = await head();
      await client.request({ kind: "put", key: "c", value: "2" });
      await client.request({ kind: "compact", revision: revision + 1, physical: true });
      await expect(client.request({ kind: "range", key: "c", revision: revision - 1 })).rejects.toMatchObject({
        code: "OUT_OF_RANGE",
        message: "etcdserver: mvcc: required revision has been compacted",
        definite: true,
      });
      const late = watch(client, { key: "c", startRevision: revision - 1 });
      await late.until(() => late.ended !== undefined);
      expect(late.responses.at(-1)).toMatchObject({ kind: "canceled", compactRevision: revision + 1 });
      expect((await client.request({ kind: "hash-kv" })).compactRevision).toBe(revision + 1);
    });

    it("waits for locks and offices, in the order of those who asked", async () => {
      const grant = async () => (await client.request({ kind: "lease-grant", id: "0", ttl: 60 })).id;
      for (const office of [{}, { value: "candidate" }]) {
        const name = `lock${Object.keys(office).length}`;
        const first = await client.request({ kind: "lock", name, lease: await grant(), ...office });
        let waited = false;
        const second = client.request({ kind: "lock", name, lease: await grant(), ...office }).then((held) => {
          waited = true;
          return held;
        });
        const owner = await client.request({ kind: "range", key: first.key });
        expect(owner.kvs[0]).toMatchObject({ createRevision: first.revision, value: Object.values(office)[0] ?? "" });
        expect(waited).toBe(false);
        await client.request({ kind: "unlock", key: first.key });
        expect((await second).revision).toBeGreaterThan(first.revision);
      }
    });

    it("asks after the member", async () => {
      const status = await client.request({ kind: "status" });
      expect(status).toMatchObject({ learner: false, alarms: [] });
      expect(status.leader).toBe(status.header.memberId);
      expect(await client.request({ kind: "alarm", action: "get", member: "0", alarm: "none" })).toMatchObject({
        alarms: [],
      });
      const [one, two] = await Promise.all([
        client.request({ kind: "hash-kv" }),
        client.request({ kind: "hash-kv" }),
      ]);
      expect(one.hash).toBe(two.hash);
    });

    it("keeps users and roles", async () => {
      await client.request({ kind: "user-add", name: "ann", password: "secret", noPassword: false });
      await client.request({ kind: "role-add", name: "reader" });
      const permission = { type: "read", key: "a", rangeEnd: "b" } as const;
      await client.request({ kind: "role-grant-permission", name: "reader", permission });
      await client.request({ kind: "user-grant-role", name: "ann", role: "reader" });
      expect(await client.request({ kind: "user-get", name: "ann" })).toMatchObject({ roles: ["reader"] });
      expect(await client.request({ kind: "role-get", name: "reader" })).toMatchObject({
        permissions: [permission],
      });
      await client.request({ kind: "user-revoke-role", name: "ann", role: "reader" });
      await client.request({ kind: "role-revoke-permission", name: "reader", key: "a", rangeEnd: "b" });
      await client.request({ kind: "role-delete", name: "reader" });
      await client.request({ kind: "user-delete", name: "ann" });
      expect((await client.request({ kind: "user-list" })).users).not.toContain("ann");
      expect((await client.request({ kind: "role-list" })).roles).not.toContain("reader");
    });

    it.each([
      [{ kind: "put", key: "", value: "" }, "INVALID_ARGUMENT", "etcdserver: key is not provided"],
      [{ kind: "put", key: "k", value: "", lease: "77" }, "NOT_FOUND", "etcdserver: requested lease not found"],
      [
        { kind: "range", key: "k", revision: 1_000_000 },
        "OUT_OF_RANGE",
        "etcdserver: mvcc: required revision is a future revision",
      ],
    ] as const)("is refused for good: %o", async (request, code, message) => {
      await expect(client.request(request)).rejects.toMatchObject({ code, message, definite: true });
    });

    it("has many requests under way at once", async () => {
      const puts = Array.from({ length: 200 }, (_, i) =>
        client.request({ kind: "put", key: `many/${i}`, value: String(i) }),
      );
      const revisions = (await Promise.all(puts)).map(({ header }) => header.revision);
      expect(new Set(revisions).size).toBe(200);
    });
  });
}
