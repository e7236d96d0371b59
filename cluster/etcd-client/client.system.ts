/** The same contract with real etcd. */
import { afterAll, beforeAll, expect } from "vitest";
import { isInstalled, RealEtcd } from "../etcd/real-etcd.ts";
import { describeContract } from "./testdata/contract.ts";

const etcd = new RealEtcd();
beforeAll(async () => {
  expect(isInstalled(), "etcd and etcdctl are needed: apt install etcd-server etcd-client").toBe(true);
  await etcd.start(1);
}, 60_000);
afterAll(() => etcd.end());

describeContract("etcd", () => etcd.addresses[0] as string);
