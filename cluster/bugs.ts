/**
 * The planted bugs: who tests the tester? Each is a one-line mutation of the built-in store, modelled on a real bug,
 * switched on by name for one run and free when off. The table says what must catch it.
 */
import type { EquivalentMutant, PlantedBug } from "./bugs/bug.ts";
import { clientBugs } from "./bugs/client.ts";
import { coordinationBugs } from "./bugs/coordination.ts";
import { equivalentMutants } from "./bugs/equivalent.ts";
import { consensusBugs } from "./bugs/raft.ts";
import { storageBugs } from "./bugs/storage.ts";
import { storeBugs } from "./bugs/store.ts";

export type { PlantedBug } from "./bugs/bug.ts";
export { equivalentMutants } from "./bugs/equivalent.ts";

export const plantedBugs: readonly PlantedBug[] = [
  ...consensusBugs,
  ...storageBugs,
  ...storeBugs,
  ...coordinationBugs,
  ...clientBugs,
];

/** All that a plan can switch on. */
export const mutants: readonly (PlantedBug | EquivalentMutant)[] = [...plantedBugs, ...equivalentMutants];
