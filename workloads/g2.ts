/** Two clients insert a row for each key, each only if the key has no row yet: one must lose. */
import { z } from "zod";
import { type G2Signature, g2 as g2Checker } from "../checkers/g2.ts";
import type { KvApi } from "../cluster/api.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

export const g2: WorkloadFactory<KvApi> = {
  name: "g2",
  summary: "inserts rows that exclude each other: of two for one key, one must lose",
  create({ options }) {
    parseOptions("g2", z.strictObject({}), options);
    return untyped<G2Signature, KvApi>({
      name: "g2",
      generator: stateful<G2Signature, number>(0, {
        draw: (next) => ({
          call: {
            f: "insert",
            key: `k${Math.floor(next / 2)}`,
            value: next % 2 === 0 ? [next, null] : [null, next],
          },
          memory: next + 1,
        }),
      }),
      checkers: [g2Checker],
      open: (api) => ({
        invoke: {
          insert: ([a, b], { key }) =>
            attemptWrite(async () => {
              const prefix = `g2/${key}/`;
              const { succeeded } = await api.request({
                kind: "txn",
                // No key of this prefix was ever created: "0" is the character after "/".
                compare: [
                  {
                    key: prefix,
                    rangeEnd: `g2/${key}0`,
                    target: "create",
                    result: "equal",
                    operand: 0,
                  },
                ],
                success: [{ kind: "put", key: `${prefix}${a === null ? "b" : "a"}`, value: String(a ?? b) }],
                failure: [],
              });
              return succeeded ? ok(null) : { type: "fail", error: "there was a row already" };
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};
