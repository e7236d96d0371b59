/**
 * The checkers as a library, `faultline/checkers`: histories in, verdicts out. Pure: it runs wherever JavaScript does,
 * and nothing of Node's is imported.
 */

export { type Anomaly, Budget, type Checker, type Validity, type Verdict } from "../src/checker.ts";
export { FormatError } from "../src/history/formats/text-source.ts";
export { History, MalformedHistory, type Operation } from "../src/history/history.ts";
export { parseHistory, printHistory } from "../src/history/notation.ts";
export type * from "../src/history/op.ts";
export { type Conventions, guess, type Specification, specifications } from "./catalogue.ts";
export { checkAll, compose, worst } from "./compose.ts";
export { Findings, who } from "./findings.ts";
export { independent } from "./independent.ts";
export { checkLinearizable, checkTransactions, checkWatch, readHistory } from "./library.ts";
export type { Access, Model } from "./linearizable/model.ts";
export { asCalled, type Called, linearizable, type ObjectCall, type Translation } from "./linearizable.ts";
export { counter as linearizableCounter } from "./models/counter.ts";
export { etcd } from "./models/etcd.ts";
export { kv } from "./models/kv.ts";
export { multiRegister } from "./models/multi-register.ts";
export { fencedMutex, mutex, ownedMutex, reentrantMutex } from "./models/mutex.ts";
export { fifoQueue, stack, unorderedQueue } from "./models/queue.ts";
export { type RegisterCall, register } from "./models/register.ts";
export { set as linearizableSet } from "./models/set.ts";
export { type Analysis, analyseLists, analyseRegisters } from "./transactions/analysis.ts";
export type { MicroOp, TransactionSignature } from "./transactions/transaction.ts";
export { listAppendChecker, rwRegisterChecker } from "./transactions.ts";
export { weakIsolationChecker } from "./weak-isolation.ts";
