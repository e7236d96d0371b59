/**
 * A workload of your own: clients touch one key, and read how often it was touched. etcd counts the puts of a key in
 * its version, so a read must be at least what was acknowledged before it began, and at most what was asked for
 * before it ended.
 */
import {
  attemptRead,
  attemptWrite,
  type Call,
  type Checker,
  eachThread,
  Findings,
  type KvApi,
  limit,
  mix,
  ok,
  repeat,
  untilOk,
  untyped,
  type WorkloadFactory,
  who,
} from "faultline";

/** What each function takes and gives. A client without one of them does not compile. */
export type TallySignature = {
  touch: { in: null; out: null };
  read: { in: null; out: number };
};

const TOUCH: Call<TallySignature> = { f: "touch", value: null };
const READ: Call<TallySignature> = { f: "read", value: null };

export const tallyChecker: Checker<TallySignature> = {
  name: "tally",
  check(history) {
    const findings = new Findings();
    const touches = history.byFunction("touch");
    const reads = history.byFunction("read").filter((read) => read.type === "ok");
    for (const read of reads) {
      let acknowledged = 0;
      let asked = 0;
      for (const touch of touches) {
        if (touch.type === "ok" && touch.completeIndex < read.invokeIndex) acknowledged++;
        // An unknown outcome may be an effect; a failure never is.
        if (touch.type !== "fail" && touch.invokeIndex < read.completeIndex) asked++;
      }
      const witness = [read.invokeIndex, read.completeIndex];
      if (read.output < acknowledged)
        findings.add("lost touch", "tally: nothing acknowledged is lost", witness, () => {
          return `${who(read)} read ${read.output}, but ${acknowledged} touches had been acknowledged before.`;
        });
      if (read.output > asked)
        findings.add("touched twice", "tally: each touch takes effect once", witness, () => {
          return `${who(read)} read ${read.output}, but only ${asked} touches had been asked for.`;
        });
    }
    return findings.verdict("tally", reads.length, "reads");
  },
};

export const tally: WorkloadFactory<KvApi> = {
  name: "tally",
  summary: "touches one key, and reads how often it was touched",
  create() {
    return untyped<TallySignature, KvApi>({
      name: "tally",
      generator: mix(repeat(TOUCH), repeat(READ)),
      // Every thread reads until it succeeds, ten times at most.
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [tallyChecker],
      open: (api) => ({
        invoke: {
          touch: () =>
            attemptWrite(async () => {
              await api.request({ kind: "put", key: "tally", value: "x" });
              return ok(null);
            }),
          read: () =>
            attemptRead(async () => {
              const { kvs } = await api.request({ kind: "range", key: "tally" });
              return ok(kvs[0]?.version ?? 0);
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};
