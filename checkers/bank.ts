/**
 * A bank: transfers move money between accounts, and the total never changes.
 *
 * Besides the balances, replies carry the store's revisions. They are claims to verify: two reads that name the
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

export type BankSignature = {
  transfer: {
    in: { readonly from: string; readonly to: string; readonly amount: number };
    /** The revision of the transfer, and both balances after it. */
    out: { readonly revision: number; readonly balances: { readonly [account: string]: number } };
  };
  /** All accounts at once; `revision` is the store's at that moment. */
  read: { in: null; out: { readonly revision: number; readonly accounts: Accounts } };
};

export interface BankCheckerOptions {
  readonly accounts: readonly string[];
  /** Sum of all balances. */
  readonly total: number;
}

type Transfer = OperationOf<BankSignature, "transfer"> & { readonly type: "ok" };
type Read = OperationOf<BankSignature, "read"> & { readonly type: "ok" };

export function bankChecker(options: BankCheckerOptions): Checker<BankSignature> {
  return {
    name: "bank",
    check(history: History<BankSignature>) {
      const findings = new Findings();
      const transfers = history.byFunction("transfer").filter((transfer) => transfer.type === "ok");
      const reads = history.byFunction("read").filter((read) => read.type === "ok");
      for (const read of reads) judgeBalances(read, options, findings);
      judgeAgreement(reads, findings);
      judgeTransfers(transfers, findings);
      judgeSnapshots(transfers, reads, findings);
      judgeRealTime(transfers, reads, findings);
      const doubt = transfers.length === 0 ? "no transfer succeeded, so no total could go wrong" : undefined;
      return findings.verdict("bank", reads.length, "reads", {
        doubt,
        evidence: { transfers: transfers.length, reads: reads.length },
      });
    },
  };
}

function judgeBalances(read: Read, { accounts, total }: BankCheckerOptions, findings: Findings): void {
  let sum = 0;
  let missing = false;
  for (const name of accounts) {
    const account = read.output.accounts[name];
    if (account === undefined) {
      missing = true;
      findings.add(
        "missing account",
        "bank: accounts stay open",
        [read.completeIndex],
        () =>
          `${who(read)} read all accounts at revision ${read.output.revision}, and ${name} was not among them.`,
      );
      continue;
    }
    sum += account.balance;
    if (account.balance < 0)
      findings.add(
        "negative balance",
        "bank: no overdraft",
        [read.completeIndex],
        () => `${who(read)} read ${account.balance} on ${name} at revision ${read.output.revision}.`,
      );
  }
  if (!missing && sum !== total)
    findings.add(
      "wrong total",
      "bank: money is neither made nor lost",
      [read.completeIndex],
      () =>
        `${who(read)} read accounts that sum up to ${sum} instead of ${total} at revision ${read.output.revision}.`,
    );
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
