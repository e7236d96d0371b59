/**
 * A bank: transfers move money between accounts, and the total never changes. After Jepsen's bank
 * (jepsen/src/jepsen/tests/bank.clj), whose reads are maps from account to balance; such reads are judged alone.
 *
 * Besides the balances, our replies carry the store's revisions. They are claims to verify: two reads that name the
 * same revision of an account must agree, and a read at revision r must show every transfer up to r and none
 * after it, which is what makes it a snapshot.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";
import { visitPrecedents } from "./precedence.ts";

/** What the store says of one account. */
export type Account = {
  readonly balance: number;
  /** Revision of the last change. */
  readonly revision: number;
  /** Number of changes, 1 for the opening. */
  readonly version: number;
};
export type Accounts = { readonly [account: string]: Account };

/** The revision of a transfer, and both balances after it. */
type Transferred = { readonly revision: number; readonly balances: { readonly [account: string]: number } };
/** All accounts at once; `revision` is the store's at that moment. */
type Snapshot = { readonly revision: number; readonly accounts: Accounts };
/** What systems without revisions say; null for an account without a balance. */
type Balances = { readonly [account: string]: number | null };

export type BankSignature = {
  transfer: {
    in: { readonly from: string; readonly to: string; readonly amount: number };
    out: Transferred | null;
  };
  read: { in: null; out: Snapshot | Balances };
};

export interface BankCheckerOptions {
  readonly accounts: readonly string[];
  /** Sum of all balances. */
  readonly total: number;
}

type AnyRead = OperationOf<BankSignature, "read"> & { readonly type: "ok" };
/** Those that tell of revisions. */
type Read = AnyRead & { readonly output: Snapshot };
type Transfer = OperationOf<BankSignature, "transfer"> & {
  readonly type: "ok";
  readonly output: Transferred;
};

export function bankChecker(options: BankCheckerOptions): Checker<BankSignature> {
  return {
    name: "bank",
    check(history: History<BankSignature>) {
      const findings = new Findings();
      const transferred = history.byFunction("transfer").filter((transfer) => transfer.type === "ok");
      const reads = history.byFunction("read").filter((read) => read.type === "ok");
      let farthest = 0;
      for (const read of reads) farthest = Math.max(farthest, judgeBalances(read, options, findings));

      const transfers = transferred.filter(
        (transfer): transfer is Transfer => "revision" in (transfer.output ?? {}),
      );
      const snapshots = reads.filter((read): read is Read => typeof read.output.accounts === "object");
      judgeAgreement(snapshots, findings);
      judgeTransfers(transfers, findings);
      judgeSnapshots(transfers, snapshots, findings);
      judgeRealTime(transfers, snapshots, findings);
      const doubt =
        transferred.length === 0 ? "no transfer succeeded, so no total could go wrong" : undefined;
      return findings.verdict("bank", reads.length, "reads", {
        doubt,
        evidence: {
          transfers: transferred.length,
          reads: reads.length,
          ...(farthest > 0 ? { farthestTotal: farthest } : {}),
        },
      });
    },
  };
}

/** Gives by how much the total is wrong; 0 if an account has no balance. */
function judgeBalances(read: AnyRead, { accounts, total }: BankCheckerOptions, findings: Findings): number {
  const balances = balancesIn(read.output);
  const at = "revision" in read.output ? ` at revision ${read.output.revision}` : "";
  const opened = new Set(accounts);
  const unknown = Object.keys(balances).filter((name) => !opened.has(name));
  if (unknown.length > 0)
    findings.add(
      "unexpected account",
      "bank: no accounts but the given",
      [read.completeIndex],
      () => `${who(read)} read all accounts${at}, and found ${unknown.join(", ")}, which nobody opened.`,
    );
  let sum = 0;
  let missing = false;
  for (const name of accounts) {
    const balance = balances[name];
    if (balance === undefined || balance === null) {
      missing = true;
      findings.add("missing account", "bank: accounts stay open", [read.completeIndex], () =>
        balance === null
          ? `${who(read)} read all accounts${at}, and ${name} had no balance.`
          : `${who(read)} read all accounts${at}, and ${name} was not among them.`,
      );
      continue;
    }
    sum += balance;
    if (balance < 0)
      findings.add(
        "negative balance",
        "bank: no overdraft",
        [read.completeIndex],
        () => `${who(read)} read ${balance} on ${name}${at}.`,
      );
  }
  if (missing || sum === total) return 0;
  findings.add(
    "wrong total",
    "bank: money is neither made nor lost",
    [read.completeIndex],
    () => `${who(read)} read accounts that sum up to ${sum} instead of ${total}${at}.`,
  );
  return Math.abs(sum - total);
}

/** What a read says of each account, with revisions or without. */
export function balancesIn(output: Snapshot | Balances): Balances {
  if (typeof output.accounts !== "object" || output.accounts === null) return output as Balances;
  return Object.fromEntries(Object.entries(output.accounts).map(([name, { balance }]) => [name, balance]));
}

/** The same revision of an account is the same account, and versions count its revisions. */
function judgeAgreement(reads: readonly Read[], findings: Findings): void {
  const first = new Map<string, Map<number, Read>>();
  for (const read of reads) {
    for (const [name, account] of Object.entries(read.output.accounts)) {
      if (account.revision > read.output.revision)
        findings.add(
          "revision from the future",
          "bank: reads are snapshots",
          [read.completeIndex],
          () =>
            `${who(read)} read at revision ${read.output.revision}, but ${name} claims to have changed at ${account.revision}.`,
        );
      const revisions = first.get(name) ?? new Map<number, Read>();
      first.set(name, revisions);
      const other = revisions.get(account.revision);
      if (other === undefined) {
        revisions.set(account.revision, read);
        continue;
      }
      const before = other.output.accounts[name];
      if (before !== undefined && (before.balance !== account.balance || before.version !== account.version))
        findings.add(
          "divergent state",
          "bank: one history of revisions",
          [other.completeIndex, read.completeIndex],
          () =>
            `${name} at its revision ${account.revision} had balance ${before.balance} (version ${before.version}) for ${who(other)}, but ${account.balance} (version ${account.version}) for ${who(read)}.`,
        );
    }
  }
  for (const [name, revisions] of first) {
    let previous: { read: Read; account: Account } | undefined;
    for (const [, read] of [...revisions].sort(([a], [b]) => a - b)) {
      const account = read.output.accounts[name] as Account;
      const earlier = previous;
      if (earlier !== undefined && account.version <= earlier.account.version)
        findings.add(
          "version went back",
          "bank: one history of revisions",
          [earlier.read.completeIndex, read.completeIndex],
          () =>
            `${name} had version ${earlier.account.version} at revision ${earlier.account.revision} and version ${account.version} at the later revision ${account.revision}.`,
        );
      previous = { read, account };
    }
  }
}

/** A revision belongs to one transfer. */
function judgeTransfers(transfers: readonly Transfer[], findings: Findings): void {
  const owners = new Map<number, Transfer>();
  for (const transfer of transfers) {
    const owner = owners.get(transfer.output.revision);
    if (owner === undefined) owners.set(transfer.output.revision, transfer);
    else
      findings.add(
        "shared revision",
        "bank: one history of revisions",
        [owner.completeIndex, transfer.completeIndex],
        () =>
          `The transfers by ${who(owner)} and ${who(transfer)} both claim revision ${transfer.output.revision}.`,
      );
  }
}

/** Every acknowledged transfer is in each read at its revision or later, whole, and in no earlier one. */
function judgeSnapshots(transfers: readonly Transfer[], reads: readonly Read[], findings: Findings): void {
  const byAccount = new Map<string, Transfer[]>();
  const inOrder = [...transfers].sort((a, b) => a.output.revision - b.output.revision);
  for (const transfer of inOrder)
    for (const name of [transfer.input.from, transfer.input.to]) {
      const list = byAccount.get(name);
      if (list === undefined) byAccount.set(name, [transfer]);
      else list.push(transfer);
    }

  for (const read of reads)
    for (const [name, account] of Object.entries(read.output.accounts)) {
      const last = lastUpTo(byAccount.get(name) ?? [], read.output.revision);
      if (last === undefined) continue;
      const { revision, balances } = last.output;
      if (account.revision < revision)
        findings.add(
          "lost update",
          "bank: reads are snapshots",
          [last.completeIndex, read.completeIndex],
          () =>
            `${who(last)} moved ${last.input.amount} from ${last.input.from} to ${last.input.to} at revision ${revision}, but ${who(read)}, reading at revision ${read.output.revision}, found ${name} unchanged since revision ${account.revision}.`,
        );
      else if (account.revision === revision && account.balance !== balances[name])
        findings.add(
          "divergent state",
          "bank: one history of revisions",
          [last.completeIndex, read.completeIndex],
          () =>
            `The transfer by ${who(last)} left ${balances[name]} on ${name} at revision ${revision}, but ${who(read)} found ${account.balance} there.`,
        );
    }
}

function lastUpTo(transfers: readonly Transfer[], revision: number): Transfer | undefined {
  let low = 0;
  let high = transfers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((transfers[middle] as Transfer).output.revision <= revision) low = middle + 1;
    else high = middle;
  }
  return transfers[low - 1];
}

/** What completed before an operation began is in the past of its revision. */
function judgeRealTime(transfers: readonly Transfer[], reads: readonly Read[], findings: Findings): void {
  visitPrecedents<Transfer | Read>(
    [...transfers, ...reads],
    (operation) => operation.output.revision,
    (operation, earlier) => {
      const { revision } = operation.output;
      const least = earlier.output.revision + (operation.f === "transfer" ? 1 : 0);
      if (revision >= least) return;
      findings.add(
        operation.f === "read" ? "stale read" : "revision went back",
        "bank: linearizability",
        [earlier.completeIndex, operation.invokeIndex, operation.completeIndex],
        () =>
          `${who(earlier)} had been answered at revision ${earlier.output.revision} before ${who(operation)} began a ${operation.f} that was answered at revision ${revision}.`,
      );
    },
  );
}
