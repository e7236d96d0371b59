import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KeyValue, WatchEvent } from "../kv/request.ts";
import { fromEvent, fromHeader } from "./convert.ts";
import * as pb from "./generated/rpc.ts";
import { message } from "./testbed.ts";
import { encodeWatchResponse, sharedEvent, sharedHeader } from "./watch-events.ts";

const version: fc.Arbitrary<KeyValue> = fc.record({
  key: fc.constantFrom("", "a", "\xff"),
  createRevision: fc.nat(),
  modRevision: fc.nat(),
  version: fc.nat(300),
  value: fc.constantFrom("", "v", "\0\xff".repeat(200)),
  lease: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
});

/** A change as different watches are told of it: with the version before it, and without. */
const variants = fc
  .record({ type: fc.constantFrom("put", "delete"), kv: version, prevKv: version })
  .chain(({ type, kv, prevKv }) =>
    fc.constantFrom<WatchEvent>({ type, kv, prevKv }, { type, kv }, { type, kv }),
  );

describe("headers", () => {
  it("are shared as long as they say the same", () => {
    const header = { clusterId: "1", memberId: "2", revision: 3, raftTerm: 4 };
    const others = [{ clusterId: "5" }, { memberId: "5" }, { revision: 5 }, { raftTerm: 5 }];
    for (const other of others) {
      const first = sharedHeader(header);
      expect(sharedHeader({ ...header })).toBe(first);
      expect(sharedHeader({ ...header, ...other })).toEqual(fromHeader({ ...header, ...other }));
      expect(sharedHeader(header)).toEqual(first);
    }
  });
});

describe("events that many watches are told of", () => {
  it("are encoded as each would be by itself, whatever was told before", () => {
    fc.assert(
      fc.property(
        fc.array(variants, { maxLength: 400 }),
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
        (all, watchId) => {
          const header = sharedHeader({
            clusterId: "1",
            memberId: "18446744073709551615",
            revision: all.length,
            raftTerm: 3,
          });
          const told = (events: pb.WatchResponse["events"]) =>
            message(pb.WatchResponse, { header, watchId, created: true, cancelReason: "é", events });
          const alone = Buffer.from(pb.WatchResponse.encode(told(all.map(fromEvent))).finish());
          for (let again = 0; again < 2; again++)
            expect(encodeWatchResponse(told(all.map(sharedEvent)))).toEqual(alone);
          for (const event of all) {
            const both = [event, { type: event.type, kv: event.kv } as WatchEvent];
            const bytes = both.map((one) => encodeWatchResponse(told([sharedEvent(one)])));
            expect(bytes).toEqual(both.map((one) => encodeWatchResponse(told([fromEvent(one)]))));
          }
        },
      ),
      { seed: 1, numRuns: 15 },
    );
  });
});
